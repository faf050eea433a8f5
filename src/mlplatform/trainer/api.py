"""The data API as a run sees it: an hour of work does not end because a server was away for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import TryLater
from mlplatform.telemetry import logger

PATIENCE_S = 45.0
"""How long one call is repeated.

Below the lease's time: a run that could not reach the data API for longer has lost its lease
anyway.
"""
_log = logger("trainer")


class PatientClient(DataApi):
    """Repeats every call that another try may help.

    All that a run asks is safe to repeat: the data API knows its own answers again.
    """

    def __init__(
        self, url: str, token: SecretStr | None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(url, token, retry_s=PATIENCE_S, sleep=sleep)


def tell(error: TryLater) -> None:
    """Log that a call will be repeated."""
    _log.warning("the data API is away, will ask again", error=str(error))
