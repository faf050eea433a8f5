"""A file that no reader of ours has named is named all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from mlplatform.cli import main


def test_a_foreign_error_about_a_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the file and what is wrong with it, no traceback."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def read() -> None:
        (tmp_path / "a-folder").mkdir()
        (tmp_path / "a-folder").read_bytes()

    monkeypatch.setattr(main, "application", lambda _: app)
    monkeypatch.setattr("sys.argv", ["mlplatform"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    said = capsys.readouterr().err.replace("\n", "")

    assert 1 == ended.value.code
    assert "a-folder: Is a directory" in said
    assert "Traceback" not in said
