"""Training runs as Kubernetes Jobs, made from the pipeline's own CronJob.

They are what `kubectl create job --from=cronjob/…` makes.

So the data API decides nothing of what runs: image, limits and credentials come from the CronJob
that the chart installed. The Job belongs to its CronJob (ownerReference), and history limits clean
it up with the scheduled ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

import urllib3
from kubernetes import client, config

from mlplatform.cluster.job import ClusterJob, JobState
from mlplatform.errors import PlatformError, Refused, SettingsError, Unavailable, UnknownName

PIPELINE_LABEL = "mlplatform.io/pipeline"
REASON = "mlplatform.io/reason"
TRAINER = "trainer"
"""The container that gets the reason, so that the run and the version carry it as well."""
MANUAL = {"cronjob.kubernetes.io/instantiate": "manual"}
"""What kubectl writes on Jobs made by hand; controllers and people look for it."""
TIMEOUT_S = 10.0
NAME_LIMIT = 63
"""A Job's name becomes a label of its pods, which allows 63 characters."""


class KubernetesCluster:
    """Makes and lists Jobs in one namespace. `batch` is a `BatchV1Api`."""

    def __init__(self, batch: Any, *, namespace: str, cronjob_prefix: str) -> None:
        self._batch = batch
        self._namespace = namespace
        self._prefix = cronjob_prefix

    @classmethod
    def inside(cls, *, namespace: str, cronjob_prefix: str) -> KubernetesCluster:
        """With the service account of the pod that this process runs in."""
        try:
            # The client ships partial types.
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise SettingsError(
                f"cluster.kind is kubernetes, but this process is not in a pod: {error}",
                field="cluster.kind",
            ) from error
        return cls(client.BatchV1Api(), namespace=namespace, cronjob_prefix=cronjob_prefix)

    def job_of(self, pipeline: str, run: str) -> str:
        """`<cronjob>-<end of the run's id>`."""
        short = f"-{run[-10:]}"
        return (self._prefix + pipeline)[: NAME_LIMIT - len(short)].rstrip("-") + short

    def start_training(self, pipeline: str, job: str, *, reason: str) -> None:
        """Make a Job from the pipeline's CronJob, unless there is one of that name."""
        cronjob = self._call(
            lambda: self._batch.read_namespaced_cron_job(
                self._prefix + pipeline, self._namespace, _request_timeout=TIMEOUT_S
            ),
            missing=f"there is no CronJob '{self._prefix}{pipeline}' in namespace "
            f"'{self._namespace}': is the pipeline in the chart's values?",
        )
        made = job_from(cronjob, job, pipeline=pipeline, reason=reason)

        def create() -> None:
            try:
                self._batch.create_namespaced_job(self._namespace, made, _request_timeout=TIMEOUT_S)
            except client.ApiException as error:
                if error.status != 409 or "AlreadyExists" not in str(error.body):
                    raise

        self._call(create, missing="the namespace is gone")

    def jobs(self, pipeline: str) -> Sequence[ClusterJob]:
        """Jobs of the pipeline's CronJob, by hand or by schedule, latest first."""
        cronjob = self._prefix + pipeline
        jobs = self._call(
            lambda: self._batch.list_namespaced_job(
                self._namespace,
                label_selector=f"{PIPELINE_LABEL}={pipeline}",
                _request_timeout=TIMEOUT_S,
            ),
            missing=f"there is no namespace '{self._namespace}'",
        )
        mine = [
            job
            for job in jobs.items
            if any(owner.name == cronjob for owner in job.metadata.owner_references or ())
        ]
        mine.sort(key=lambda job: job.metadata.creation_timestamp, reverse=True)
        return [_seen(job, pipeline) for job in mine]

    def remove_logs(self, before: datetime, *, remove: bool) -> tuple[int, int]:
        """Nothing: Kubernetes removes the logs of a pod with the pod."""
        del before, remove
        return 0, 0

    def close(self) -> None:
        """Close the connections; Jobs go on."""
        self._batch.api_client.close()

    def _call(self, call: Callable[[], Any], *, missing: str) -> Any:
        try:
            return call()
        except client.ApiException as error:
            raise _translated(error, missing) from error
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"no answer from the Kubernetes API: {error}") from error


def job_from(cronjob: Any, name: str, *, pipeline: str, reason: str) -> Any:
    """The Job that a CronJob's template describes, under that name."""
    template = cronjob.spec.job_template
    given = template.metadata or client.V1ObjectMeta()
    owner = client.V1OwnerReference(
        api_version="batch/v1",
        kind="CronJob",
        name=cronjob.metadata.name,
        uid=cronjob.metadata.uid,
        controller=True,
    )
    metadata = client.V1ObjectMeta(
        name=name,
        labels={**(given.labels or {}), PIPELINE_LABEL: pipeline},
        annotations={**(given.annotations or {}), **MANUAL, REASON: reason},
        owner_references=[owner],
    )
    spec = deepcopy(template.spec)
    for container in spec.template.spec.containers:
        if container.name == TRAINER and container.args:
            # Kubernetes puts variables of the container, such as its token, where an argument says
            # $(NAME): a $ is written twice.
            container.args = [*container.args, "--why=" + reason.replace("$", "$$")]
    return client.V1Job(api_version="batch/v1", kind="Job", metadata=metadata, spec=spec)


def _seen(job: Any, pipeline: str) -> ClusterJob:
    status = job.status
    ended = {
        item.type: item.last_transition_time
        for item in status.conditions or ()
        if item.status == "True"
    }
    state: JobState = "running" if status.active else "waiting"
    if "Complete" in ended:
        state = "succeeded"
    elif "Failed" in ended:
        state = "failed"
    reason = (job.metadata.annotations or {}).get(REASON, "")
    finished = status.completion_time or ended.get("Failed")
    return ClusterJob(
        name=job.metadata.name,
        pipeline=pipeline,
        state=state,
        reason=reason,
        started_at=status.start_time,
        finished_at=finished,
    )


def _translated(error: Any, missing: str) -> PlatformError:
    if error.status == 404:
        return UnknownName(missing, field="pipeline")
    if error.status in (401, 403):
        return Unavailable(
            f"the data API's service account may not do this: {error.reason}",
            fix="its Role needs get on cronjobs, create and list on jobs, in batch",
            retry_after_s=30.0,
        )
    if error.status in (409, 422):
        return Refused(f"Kubernetes refuses the Job: {error.reason} {error.body or ''}".strip())
    return Unavailable(f"the Kubernetes API answers {error.status} {error.reason}")
