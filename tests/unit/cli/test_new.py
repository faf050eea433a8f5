"""`mlplatform new` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from typer.testing import CliRunner, Result

from mlplatform.cli.commands import COMMANDS
from mlplatform.cli.lazy import lazy_app
from mlplatform.draft.ci_file import PLACES, GitServer
from mlplatform.errors import InvalidInput, Refused
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout


def _run(*words: str) -> Result:
    return CliRunner().invoke(lazy_app(COMMANDS, no_args_is_help=True), ["new", *words])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty rows, in the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{at % 7},{3 * (at % 7) + at % 2}\n" for at in range(60))
    (tmp_path / "rows.csv").write_text("Size,cost\n" + rows)
    return tmp_path / "rows.csv"


def test_it_says_what_it_wrote_and_what_comes_next(file: Path) -> None:
    """The folder below pipelines/, and the commands that make a model of it."""
    ended = _run("shop", "--from", str(file), "--target", "cost", "--task", "regression")

    assert 0 == ended.exit_code
    assert {"pipeline.yaml", "model.py", "cases.yaml"} == {
        path.name for path in Path("pipelines/shop").iterdir()
    }
    assert "pipelines/shop is written" in ended.stdout
    assert "mlplatform apply shop" in ended.stdout
    assert "Size is size" in ended.stderr


def test_scripts_get_a_document(file: Path) -> None:
    """Task, figures and findings as JSON."""
    document = json.loads(_run("shop", "--from", str(file), "--target", "cost", "--json").stdout)

    assert ("classification", 60, None) == tuple(document[key] for key in ("task", "rows", "time"))
    assert document["findings"]


def test_a_name_that_no_pipeline_may_have_is_refused(file: Path) -> None:
    """Before anything is read."""
    ended = _run("My Shop", "--from", str(file), "--target", "cost")

    assert isinstance(ended.exception, InvalidInput)
    assert "NAME: 'My Shop' is not a name of a pipeline" in str(ended.exception)


def test_a_pipeline_that_is_there_is_kept(file: Path) -> None:
    """Nothing is read or written."""
    Path("pipelines/shop").mkdir(parents=True)
    ended = _run("shop", "--from", str(file), "--target", "cost")

    assert isinstance(ended.exception, Refused)
    assert [] == list(Path("pipelines/shop").iterdir())


def test_who_has_no_repository_gets_one(file: Path) -> None:
    """Its first commit holds the pipeline and nothing else, so that it can be applied."""
    ended = _run("shop", "--from", str(file), "--target", "cost")
    code = checkout(SourceSettings(url=str(file.parent), cache=file.parent / "cache"))

    assert "a git repository is made here" in ended.stdout
    assert "git add" not in ended.stdout
    assert ["shop"] == code.pipelines()
    assert b"rows.csv" not in porcelain.ls_files(str(file.parent))


def test_a_repository_is_left_alone(file: Path) -> None:
    """Nobody's history gets a commit that they did not make; the command to make it is shown."""
    Repo.init(file.parent).close()
    ended = _run("shop", "--from", str(file), "--target", "cost")

    assert 0 == ended.exit_code
    assert "git add pipelines/shop && git commit" in ended.stdout
    assert not list(file.parent.glob(".git/refs/heads/*"))


def test_who_wants_no_repository_gets_none(file: Path) -> None:
    """`mlplatform up` reads the files as they lie then, so git is not mentioned."""
    ended = _run("shop", "--from", str(file), "--target", "cost", "--no-git")

    assert 0 == ended.exit_code
    assert "git" not in ended.stdout
    assert not (file.parent / ".git").exists()


def test_a_second_repository_is_refused(file: Path) -> None:
    """With --git inside of one, what was written stays."""
    Repo.init(file.parent).close()
    ended = _run("shop", "--from", str(file), "--target", "cost", "--git")

    assert isinstance(ended.exception, Refused)
    assert Path("pipelines/shop/model.py").is_file()


@pytest.mark.parametrize("server", ["github", "gitlab"])
def test_the_git_server_gets_its_file(file: Path, server: GitServer) -> None:
    """It is in the first commit; one that somebody wrote stays as it is, and that is said."""
    place = Path(PLACES[server])
    ended = _run("shop", "--from", str(file), "--target", "cost", "--ci", server)
    committed = porcelain.ls_files(str(file.parent))
    place.write_text("mine: 1")
    again = _run("other", "--from", str(file), "--target", "cost", "--ci", server)

    assert f"{place} is written" in ended.stdout
    assert str(place).encode() in committed
    assert "mine: 1" == place.read_text()
    assert f"{place} is there already and stays" in again.stderr
    assert "git add pipelines/other && git commit" in again.stdout
