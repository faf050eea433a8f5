from __future__ import annotations

from pathlib import Path

import pytest
import typer

from mlplatform.cli.clean import clean
from mlplatform.errors import Refused
from mlplatform.local import state


def test_clean_takes_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's folder is deleted, with a demo in it and with databases behind a link."""
    outside = tmp_path / "outside"
    (tmp_path / state.FOLDER / "demo" / "logs").mkdir(parents=True)
    (outside / "primary").mkdir(parents=True)
    (tmp_path / state.FOLDER / "demo" / "postgres").symlink_to(outside)
    (tmp_path / state.FOLDER / "demo" / state.LOCK).touch()
    monkeypatch.chdir(tmp_path)
    clean(yes=True)

    assert [] == list(tmp_path.iterdir())


def test_clean_asks_before_it_looks_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder below the stack is found and confirmed; `--yes` is for the folder itself."""
    asked: list[str] = []
    (tmp_path / state.FOLDER).mkdir()
    (tmp_path / state.FOLDER / state.LOCK).touch()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    clean(yes=True)

    assert (tmp_path / state.FOLDER).exists()

    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text))
    clean(yes=False)

    assert [f"delete everything in {tmp_path / state.FOLDER}?"] == asked
    assert not (tmp_path / state.FOLDER).exists()


def test_clean_deletes_no_folder_of_others(tmp_path: Path) -> None:
    """A folder in which no stack has ever run stays, whatever `--home` says."""
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(Refused, match="holds no local stack"):
        clean(home=tmp_path, yes=True)
    assert ["thesis.tex"] == [path.name for path in tmp_path.iterdir()]


def test_clean_spares_what_runs(tmp_path: Path) -> None:
    """While a program runs the stack nothing of it is deleted."""
    (tmp_path / "file").touch()

    with state.hold(tmp_path), pytest.raises(Refused, match="is running"):
        clean(home=tmp_path, yes=True)
    assert (tmp_path / "file").exists()


def test_clean_reports_what_it_could_not_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of which something is left is not said to be gone."""
    home = tmp_path / state.FOLDER
    home.mkdir()
    (home / state.LOCK).touch()
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)

    with pytest.raises(Refused, match=f"{home / state.LOCK} could not be deleted"):
        clean(home=home, yes=True)
    assert "" == capsys.readouterr().out
