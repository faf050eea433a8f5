"""Exit codes of a training: what its process, `mlplatform train` and the run's record end with."""

from __future__ import annotations

from enum import IntEnum

from mlplatform import errors


class ExitCode(IntEnum):
    """Of the trainer and of `mlplatform train`; docs/reference/cli.md is for people."""

    PROPOSED = 0
    """A version was promoted, or waits as a candidate."""
    UNEXPECTED = 1
    """Anything else: mostly our bug."""
    NOT_GOOD_ENOUGH = 2
    """A gate or a case does not hold."""
    REFUSED = 3
    """Data, definition or code of the pipeline can't be used."""
    LEASE_HELD = 4
    """Another run trains the pipeline."""
    AWAY = 5
    """A server of the platform is away, or the run was lost with its machine."""
    CUT_SHORT = 6
    """It was cancelled, or took too long."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (errors.NotGoodEnough, ExitCode.NOT_GOOD_ENOUGH),
    (errors.UnfitModel, ExitCode.NOT_GOOD_ENOUGH),
    (errors.LeaseHeld, ExitCode.LEASE_HELD),
    (errors.CutShort, ExitCode.CUT_SHORT),
    (SystemExit, ExitCode.CUT_SHORT),
    (KeyboardInterrupt, ExitCode.CUT_SHORT),
    (errors.InvalidInput, ExitCode.REFUSED),
    (errors.Refused, ExitCode.REFUSED),  # after the kinds of it above
    (errors.TryLater, ExitCode.AWAY),
)


_ERRORS: dict[int, type[errors.PlatformError]] = {
    ExitCode.NOT_GOOD_ENOUGH: errors.NotGoodEnough,
    ExitCode.REFUSED: errors.Refused,
    ExitCode.LEASE_HELD: errors.LeaseHeld,
    ExitCode.AWAY: errors.Unavailable,
    ExitCode.CUT_SHORT: errors.CutShort,
}


def error_for(code: int | None) -> type[errors.PlatformError]:
    """The error of a run that ended with that code: `exit_code` gives the code again."""
    return _ERRORS.get(code or 0, errors.PlatformError)


def exit_code(error: BaseException) -> ExitCode:
    """The code of a run that ends with that error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
