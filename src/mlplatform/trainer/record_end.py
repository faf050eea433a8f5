"""Records the end of a run that could not do so itself, in a process of its own.

python -m mlplatform.trainer.record_end PIPELINE RUN REASON
"""

from __future__ import annotations

import sys

from mlplatform import settings, telemetry
from mlplatform.access import run_of
from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.run_report import MOST_REPORTS
from mlplatform.errors import CutShort, PlatformError
from mlplatform.registry.publish import Publisher
from mlplatform.settings import DataApiSettings
from mlplatform.trainer.run_end import ended_by

TIMEOUT_S = 10.0


def main() -> None:
    """Into the log first: the servers may be away."""
    pipeline, run, reason = sys.argv[1:]
    loaded = settings.load()
    telemetry.configure(loaded.telemetry, process="trainer")
    log, error = telemetry.logger("trainer"), CutShort(reason, field="timeout_s")
    kind = type(error).__name__
    log.error("run failed", run_id=run, error=reason, kind=kind, field=error.field)
    registry = loaded.registry
    try:
        Publisher(registry.url, credentials=registry.credentials, timeout_s=TIMEOUT_S).fail(
            run, reason
        )
    except PlatformError as away:
        log.warning("MLflow does not know how the run ended", run_id=run, error=str(away))
    try:
        _report(loaded.dataapi, pipeline, error)
    except PlatformError as away:
        log.warning("the run's record does not know how it ended", run_id=run, error=str(away))


def _report(dataapi: DataApiSettings, pipeline: str, error: CutShort) -> None:
    token = dataapi.token
    run = run_of(token.get_secret_value()) if token is not None else None
    if run is not None:
        with DataApi(dataapi.url, token, timeout_s=TIMEOUT_S) as api:
            # Whatever the run has reported before, this comes last.
            api.report_run(pipeline, run, number=MOST_REPORTS, end=ended_by(error))


if __name__ == "__main__":
    main()
