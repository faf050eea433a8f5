"""How a run ends that can't say so itself, by what its record and the cluster know."""

from __future__ import annotations

from mlplatform.cluster.job import ClusterJob
from mlplatform.contracts.run import Run, RunFailure, RunState


def ending(run: Run, job: ClusterJob | None) -> tuple[RunState, RunFailure | None]:
    """How a run ends that holds no lease and has no living Job."""
    if job is not None and job.state == "succeeded":
        return "succeeded", None
    if run.started_at is not None:
        said = job.failure if job is not None else ""
        where = f" in step {run.step}" if run.step else ""
        what = f"its process vanished{where}" + (f", and said last: {said}" if said else "")
        return "lost", RunFailure(kind="Lost", message=what[:2_000], fix="start it again")
    if job is not None:
        said = job.failure or "its Job failed before it began"
        return "failed", RunFailure(kind="NotBegun", message=said[:2_000], fix="its log says why")
    what = "its Job is gone, and has not begun" if run.submitted_at else "it was never started"
    return "lost", RunFailure(kind="Lost", message=what, fix="start it again")
