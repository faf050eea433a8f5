"""An error as the end of a run that its record keeps."""

from __future__ import annotations

from mlplatform.contracts.exit_code import exit_code
from mlplatform.contracts.run import RunFailure
from mlplatform.contracts.run_report import RunEnd

MOST_TEXT = 2_000
"""Characters of a failure's message: a traceback's last line can be long."""


def ended_by(error: BaseException) -> RunEnd:
    """How a run ends with that error."""
    killed = isinstance(error, SystemExit | KeyboardInterrupt)
    message = str(getattr(error, "message", error)) or type(error).__name__
    failure = RunFailure(
        kind="Cancelled" if killed else type(error).__name__,
        message=_text("ended by a signal" if killed else message),
        field=_text(getattr(error, "field", ""))[:200],
        fix=_text(getattr(error, "fix", "")),
    )
    return RunEnd(
        state="cancelled" if killed else "failed", exit_code=exit_code(error), failure=failure
    )


def _text(given: str) -> str:
    return given.replace("\x00", "")[:MOST_TEXT]
