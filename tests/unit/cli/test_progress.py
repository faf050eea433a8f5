from __future__ import annotations

import io

import pytest
from rich.console import Console

from mlplatform.cli import progress


def test_plain_steps_are_single_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A quick step is one line with its last word; a failed one says how far it came."""
    report = progress.PlainReporter()
    with report.step("import") as say:
        say("1 of 2")
        say("2 of 2")
    with pytest.raises(ZeroDivisionError), report.step("train") as say:
        say("tune") or 1 / 0
    lines = capsys.readouterr().err.splitlines()

    assert [
        "ok import: 2 of 2",
        "FAILED train  tune",
    ] == [line.rsplit("  ", 1)[0] for line in lines]


def test_long_plain_steps_show_that_they_live(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that takes long says now and then how far it is."""
    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    with progress.PlainReporter().step("import") as say:
        for word in ("1", "2", "3"):
            say(word)

    assert [
        "… import: 1",
        "… import: 2",
        "ok import: 3",
    ] == [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()]


def test_terminal_steps_leave_one_line() -> None:
    """On a terminal a finished step leaves one line; words with brackets are not styles."""
    out = io.StringIO()
    report = progress.TerminalReporter(
        Console(file=out, force_terminal=True, width=100, color_system=None)
    )
    with report.step("train") as say:
        say("gates [6]")
    with pytest.raises(ValueError, match="no"), report.step("fails"):
        raise ValueError("no")

    assert "✓ train  gates [6]" in out.getvalue()
    assert "✗ fails" in out.getvalue()
