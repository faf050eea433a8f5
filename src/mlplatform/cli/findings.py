"""What `check` and `doctor` find: lines for people, a document for scripts, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape

from mlplatform.cli.terminal import console

COLOURS = {
    "ok": "green",
    "note": "yellow",
    "skipped": "yellow",
    "failed": "bold red",
    "missing": "bold red",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was examined, e.g. a promise of the platform or a part of this machine."""

    subject: str
    state: str  # a key of COLOURS: note works, but you may want to know; missing won't work
    detail: str
    fix: str = ""


def show(findings: Sequence[Finding]) -> None:
    """Print a line for each, and below it what to do about it."""
    out = console()
    for finding in findings:
        colour = COLOURS[finding.state]
        state = f"[{colour}]{finding.state:<7}[/{colour}]"
        out.print(f"{state} {escape(finding.subject)}: {escape(finding.detail)}")
        if finding.fix:
            out.print(f"        → {escape(finding.fix)}")
