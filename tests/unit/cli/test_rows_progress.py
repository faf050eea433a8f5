"""How far an import is."""

from __future__ import annotations

import pytest

from mlplatform.cli import rows_progress
from mlplatform.cli.rows_progress import RowsProgress
from mlplatform.client.importing import SentRows


def test_plain_lines_are_few(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal a line comes every ten seconds, with file, rows, total and speed."""
    with RowsProgress() as progress:
        progress.show(SentRows("a.csv", 10, None))
        monkeypatch.setattr(rows_progress, "QUIET_S", -1.0)
        progress.show(SentRows("b.parquet", 20_000, 50_000))
    said = capsys.readouterr()

    assert "" == said.out
    assert said.err.startswith("… b.parquet: 20,000 of 50,000 rows, ")
    assert said.err.endswith(" rows/s\n")
    assert 20_010 == progress.rows


def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal each file has a bar with its rows and their speed."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with RowsProgress() as progress:
        progress.show(SentRows("a[b].parquet", 20_000, 50_000))
        progress.note("stopped")
    said = capsys.readouterr().err

    assert "a[b].parquet" in said
    assert "20,000 of 50,000 rows" in said
    assert "stopped" in said
