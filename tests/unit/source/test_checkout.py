"""Pipelines out of a repository at a path, and out of a working tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dulwich import porcelain
from dulwich.repo import Repo

from mlplatform.errors import InvalidInput, SettingsError, UnknownName
from mlplatform.settings import SourceSettings
from mlplatform.source import remote, tree
from mlplatform.source.checkout import checkout, dirty
from mlplatform.unprivileged import command, users

PIPELINE = """
name: loans
description: Whether a loan will be paid back.
task: classification
columns: [{name: income, dtype: float64}]
target: {name: paid, dtype: string, values: ["no", "yes"]}
tuning: {metric: roc_auc}
gates: [{metric: roc_auc, min: 0.5}]
"""
AUTHOR = {"author": b"A <a@example.org>", "committer": b"A <a@example.org>"}
Commit = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository."""
    folder = tmp_path / "repository"
    folder.mkdir()
    porcelain.init(folder).close()
    return folder


@pytest.fixture
def commit(repository: Path) -> Commit:
    """Writes files (None deletes one) and commits them; returns the hash."""

    def write(files: dict[str, str | None], *, message: bytes = b"change") -> str:
        for name, text in files.items():
            path = repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        porcelain.add(
            repository, [str(repository / name) for name, text in files.items() if text is not None]
        )
        return porcelain.commit(repository, message=message, all=True, **AUTHOR).decode()

    return write


LOANS = {
    "pipelines/loans/pipeline.yaml": PIPELINE,
    "pipelines/loans/model.py": "first",
    "other.txt": "not ours",
}


def _settings(repository: Path, **changes: Any) -> SourceSettings:
    return SourceSettings(
        **({"url": str(repository), "cache": repository.parent / "cache"} | changes)
    )


def test_a_commit_is_read_whole(repository: Path, commit: Commit) -> None:
    """The pipelines folder of the commit is there as files, and nothing else of the repository."""
    made = commit(
        LOANS | {"pipelines/loans/features.py": "x = 1", "pipelines/loans/deep/er.txt": "a"}
    )
    found = checkout(_settings(repository))

    assert (found.commit, found.pipelines(), found.features("loans")) == (made, ["loans"], b"x = 1")
    assert "a" == (found.folder / "loans" / "deep" / "er.txt").read_text()
    assert [found.folder.name] == [path.name for path in found.folder.parent.iterdir()]
    files = found.read("loans")
    assert (
        "loans",
        b"x = 1",
        "first",
        None,
    ) == (files.definition.name, files.features, files.model.read_text(), files.cases)


def test_branches_tags_and_hashes_lead_to_their_commit(repository: Path, commit: Commit) -> None:
    """Any name of a commit works, also tags and short hashes; a moved branch is followed."""
    first = commit(LOANS)
    with Repo(str(repository)) as repo:
        repo.refs[b"refs/heads/release"] = first.encode()
        porcelain.tag_create(repo, b"light")
        porcelain.tag_create(
            repo, b"heavy", message=b"a tag", annotated=True, author=b"A <a@example.org>"
        )
    second = commit({"pipelines/loans/model.py": "second"})

    refs = ["HEAD", "release", "light", "heavy", first, first[:10], second]
    assert [second, first, first, first, first, first, second] == [
        checkout(_settings(repository), ref=ref).commit for ref in refs
    ]
    with Repo(str(repository)) as repo:
        repo.refs[b"refs/heads/release"] = second.encode()
    assert (
        "second" == checkout(_settings(repository, ref="release")).read("loans").model.read_text()
    )


def test_a_commit_stays_while_the_repository_moves_on(repository: Path, commit: Commit) -> None:
    """A recorded commit gives the same files whatever was committed or edited since."""
    first = commit(LOANS)
    commit({"pipelines/loans/model.py": "second", "pipelines/loans/pipeline.yaml": None})
    (repository / "pipelines/loans/model.py").write_text("edited")

    found = checkout(_settings(repository), ref=first)
    assert "first" == found.read("loans").model.read_text()
    assert [] == checkout(_settings(repository)).pipelines()


def test_without_a_cache_a_temporary_folder_is_used(repository: Path, commit: Commit) -> None:
    """The cache is a choice, and the temporary folder is outside the repository."""
    commit(LOANS)
    found = checkout(_settings(repository, cache=None))

    assert "loans" == found.read("loans").definition.name
    assert not found.folder.is_relative_to(repository)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"url": ""}, SettingsError, "MLPLATFORM_SOURCE__URL: is not set"),
        (
            {"url": "/nowhere/at/all"},
            SettingsError,
            (
                "not a git repository (run git init and commit there, "
                "or read the files as they lie with --working-tree)"
            ),
        ),
        (
            {"url": "ssh://git.example.org/x"},
            SettingsError,
            "only http, https, file and paths are known",
        ),
        (
            {"ref": "no-such-branch"},
            UnknownName,
            "no-such-branch: no branch, tag or commit of that name",
        ),
        ({"ref": "f" * 40}, UnknownName, "no branch, tag or commit of that name"),
        ({"folder": "models"}, InvalidInput, "the commit has no folder models/"),
        ({"folder": "other.txt"}, InvalidInput, "other.txt is a file, not a folder"),
        ({"folder": "models", "working_tree": True}, InvalidInput, "has no folder models/"),
        (
            {"url": "http://git.example.org/x", "working_tree": True},
            SettingsError,
            "a working tree is a path, not a server",
        ),
        (
            {"ref": "working-tree:000000000000"},
            UnknownName,
            "commit the files, or use --working-tree",
        ),
    ],
)
def test_what_can_not_be_read_is_reported(
    repository: Path, commit: Commit, changes: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """Each refusal says what is missing and what to do."""
    commit(LOANS)
    with pytest.raises(kind) as refusal:
        checkout(_settings(repository, **changes))

    assert words in str(refusal.value)


def test_a_repository_without_a_commit_says_so(repository: Path) -> None:
    """A fresh `git init` is no error of ours to explain badly."""
    with pytest.raises(UnknownName, match="it has no commit yet"):
        checkout(_settings(repository))


def test_links_are_refused(repository: Path, commit: Commit) -> None:
    """A symbolic link could lead out of the folder."""
    (repository / "pipelines").mkdir()
    (repository / "pipelines" / "secret").symlink_to("/etc/passwd")
    porcelain.add(repository, [str(repository / "pipelines" / "secret")])
    commit(LOANS)
    with pytest.raises(InvalidInput, match="secret is a symbolic link"):
        checkout(_settings(repository))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"pipelines/loans/pipeline.yaml": "name: [", "pipelines/loans/model.py": ""},
            "pipelines/loans/pipeline.yaml, line 1: ",
        ),
        (
            {"pipelines/loans/pipeline.yaml": "name: loans", "pipelines/loans/model.py": ""},
            "pipelines/loans/pipeline.yaml, line 1: description: Field required",
        ),
        (
            {"pipelines/debts/pipeline.yaml": PIPELINE, "pipelines/debts/model.py": ""},
            "name is loans, and its folder is debts",
        ),
        ({"pipelines/loans/pipeline.yaml": PIPELINE}, "pipelines/loans has no model.py"),
        ({"pipelines/loans/model.py": ""}, "no pipeline loans"),
    ],
)
def test_a_pipeline_that_is_not_whole_is_refused(
    repository: Path, commit: Commit, files: dict[str, str], words: str
) -> None:
    """The refusal names the file and the line or key."""
    commit(files)
    name = next(iter(files)).split("/")[1]
    with pytest.raises(InvalidInput) as refusal:
        checkout(_settings(repository)).read(name)

    assert words in str(refusal.value)


def test_a_working_tree_is_named_by_its_content(repository: Path, commit: Commit) -> None:
    """The same files have the same name, an edit another.

    What was read stays readable by its name while the files are edited.
    """
    commit(LOANS)
    settings = _settings(repository, working_tree=True)
    first = checkout(settings)
    (repository / "pipelines/loans/__pycache__").mkdir()
    (repository / "pipelines/loans/__pycache__/model.pyc").write_text("cached")
    (repository / "pipelines/loans/.model.py.swp").write_text("swap")
    again = checkout(settings)
    (repository / "pipelines/loans/model.py").write_text("edited")
    edited = checkout(settings)

    assert first == again
    assert first.commit.startswith("working-tree:")
    assert edited.commit != first.commit
    assert "edited" == edited.read("loans").model.read_text()
    assert "first" == checkout(settings, ref=first.commit).read("loans").model.read_text()
    assert checkout(_settings(repository), ref=first.commit) == first


def test_a_working_tree_that_is_not_kept_gives_the_present_files(
    repository: Path, commit: Commit
) -> None:
    """Under another name, so that the features digest decides if they are the recorded ones."""
    commit(LOANS)
    settings = _settings(repository, working_tree=True)
    found = checkout(settings, ref="working-tree:000000000000")

    assert found == checkout(settings)


def test_dirty_names_what_is_not_committed(repository: Path, commit: Commit) -> None:
    """Edited, new and deleted files below the pipelines folder, and only those."""
    commit(LOANS | {"pipelines/loans/cases.yaml": "cases", "pipelines/loans/.hidden": "x"})
    clean = dirty(_settings(repository))
    (repository / "pipelines/loans/model.py").write_text("edited")
    (repository / "pipelines/loans/features.py").write_text("new")
    (repository / "pipelines/loans/cases.yaml").unlink()
    (repository / "other.txt").write_text("edited")

    assert [] == clean
    assert [
        "loans/cases.yaml",
        "loans/features.py",
        "loans/model.py",
    ] == dirty(_settings(repository))
    assert (
        dirty(_settings(repository, working_tree=True))
        == dirty(_settings(repository, url="https://git.example.org/x"))
        == []
    )


def test_nothing_gets_its_name_before_it_is_on_disk(
    repository: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file and folder of a commit is synced before the commit's folder appears.

    An empty file would never be written again.
    """
    commit(LOANS | {"pipelines/loans/deep/er.txt": "a"})
    synced: dict[int, bool] = {}
    cache = repository.parent / "cache"
    real = os.fsync

    def note(descriptor: int) -> None:
        synced[os.fstat(descriptor).st_ino] = any(cache.glob("*/*/pipelines"))
        real(descriptor)

    monkeypatch.setattr(tree.os, "fsync", note)
    found = checkout(_settings(repository))

    assert {
        path.stat().st_ino: False for path in (found.folder, *found.folder.rglob("*"))
    } == synced


@pytest.mark.parametrize("left", [(), ("refs",), ("objects", "refs")])
def test_a_clone_that_was_half_made_is_made_anew(left: tuple[str, ...], tmp_path: Path) -> None:
    """A process that is killed while it makes its clone leaves nothing that stops the next one."""
    place = tmp_path / "repository.git"
    beside = tmp_path / "repository.new"
    for name in left:
        (beside / name).mkdir(parents=True)
    if "objects" not in left:
        place.mkdir()

    with remote._clone(place) as made:
        assert ([], True) == (list(made.get_refs()), (place / "config").is_file())


def test_a_cache_that_can_only_be_read_is_left_alone(
    repository: Path, commit: Commit, tmp_path: Path
) -> None:
    """A commit that is not in it is written to a temporary folder."""
    wanted = commit({"pipelines/loans/pipeline.yaml": PIPELINE})
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    script = """
import sys
from pathlib import Path
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
found = checkout(SourceSettings(url=sys.argv[1], cache=Path(sys.argv[2])), ref=sys.argv[3])
print(found.folder.is_relative_to(sys.argv[2]), found.pipelines())
"""
    argv = command.through(
        (sys.executable, "-c", script, str(repository), str(cache), wanted),
        stop_signal=15,
        uid=users.fresh(),  # as root, which may write everywhere
        paths=(repository, cache),
    )
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert ("False ['loans']", "") == (done.stdout.strip(), done.stderr.strip())
