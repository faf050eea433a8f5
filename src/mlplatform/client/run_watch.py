"""Follow a training run through the data API, to its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlplatform.client.dataapi import DataApi
from mlplatform.client.versions import newest
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.run import Run
from mlplatform.errors import Refused, UnknownName

POLL_S = 1.0


def run_named(api: DataApi, pipeline: str, name: str) -> Run:
    """The run of that name. Raises UnknownName when the cluster knows it no longer."""
    found = next((each for each in api.runs(pipeline) if each.name == name), None)
    if found is None:
        raise UnknownName(
            f"run {name} is no longer known",
            field=pipeline,
            fix=f"`mlplatform models {pipeline}` shows whether it made a version",
        )
    return found


def follow(
    api: DataApi, pipeline: str, name: str, *, sleep: Callable[[float], None] = time.sleep
) -> ModelVersion:
    """Wait for the end of a run; the pipeline's newest version. Blocks.

    Raises Refused, with what the run said last, when it fails, e.g. since a gate does not hold.
    """
    while (run := run_named(api, pipeline, name)).state in ("waiting", "running"):
        sleep(POLL_S)
    if run.state != "succeeded":
        why = f": {run.failure}" if run.failure else ""
        raise Refused(
            f"run {name} has {run.state}{why}",
            field=pipeline,
            fix="" if why else "its log says why",
        )
    return newest(api, pipeline)
