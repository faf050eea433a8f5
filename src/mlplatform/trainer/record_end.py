"""Records the end of a run that could not do so itself, in a process of its own.

python -m mlplatform.trainer.record_end RUN REASON
"""

from __future__ import annotations

import sys

from mlplatform import settings, telemetry
from mlplatform.errors import PlatformError
from mlplatform.registry.publish import Publisher


def main() -> None:
    """Into the log first: MLflow may be away."""
    run, reason = sys.argv[1:]
    loaded = settings.load()
    telemetry.configure(loaded.telemetry, process="trainer")
    log = telemetry.logger("trainer")
    log.error("run failed", run_id=run, error=reason, kind="Refused", field="timeout_s")
    registry = loaded.registry
    try:
        Publisher(registry.url, credentials=registry.credentials, timeout_s=10.0).fail(run, reason)
    except PlatformError as error:
        log.warning("MLflow does not know how the run ended", run_id=run, error=str(error))


if __name__ == "__main__":
    main()
