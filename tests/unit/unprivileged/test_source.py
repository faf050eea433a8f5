"""What a training may read of a repository."""

from __future__ import annotations

from pathlib import Path

from mlplatform.unprivileged.source import readable


def _of(url: Path, **more: str) -> set[Path]:
    words = {f"MLPLATFORM_SOURCE__{name.upper()}": value for name, value in more.items()}
    return set(readable({"MLPLATFORM_SOURCE__URL": str(url)} | words))


def test_only_git_and_the_pipelines(tmp_path: Path) -> None:
    """Of a repository git's own files and the pipelines, and no password that lies beside them."""
    for name in (".git", "pipelines", "other", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / ".env").touch()
    found = _of(tmp_path, cache=str(tmp_path / "cache"))

    assert {tmp_path / name for name in (".git", "pipelines", "cache")} == found


def test_a_second_working_tree_leads_to_the_first(tmp_path: Path) -> None:
    """Its objects lie where git's files say."""
    own = tmp_path / "first" / ".git" / "worktrees" / "second"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    tree = tmp_path / "second"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {own}\n")

    assert {tree / ".git", own, tmp_path / "first" / ".git"} == _of(tree)


def test_a_repository_without_a_working_tree(tmp_path: Path) -> None:
    """A bare repository is needed as a whole; a server is none of this machine's paths."""
    (tmp_path / "objects").mkdir()

    assert {tmp_path} == _of(tmp_path)
    assert set() == _of(Path("https:/") / "example.org")
    assert () == readable({"MLPLATFORM_SOURCE__URL": "https://example.org/code.git"})
