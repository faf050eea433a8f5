"""Jobs from CronJobs, and what the API's refusals mean; tests/cluster has a real cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from kubernetes import client

from mlplatform.cluster.kubernetes import KubernetesCluster, job_from
from mlplatform.errors import PlatformError, Refused, Unavailable, UnknownName

NAME = "mlplatform-trainer-flowers-1234567890"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _cronjob(name: str = "mlplatform-trainer-flowers") -> Any:
    template = client.V1JobTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "x"}, annotations={"note": "y"}),
        spec=client.V1JobSpec(
            template=client.V1PodTemplateSpec(
                spec=client.V1PodSpec(containers=[client.V1Container(name="trainer")])
            )
        ),
    )
    return client.V1CronJob(
        metadata=client.V1ObjectMeta(name=name, uid="u-1"),
        spec=client.V1CronJobSpec(schedule="@daily", job_template=template),
    )


class _Batch:
    """The batch API as far as it is used; `refusal` is raised instead of an answer."""

    def __init__(self, refusal: Exception | None = None, jobs: tuple[Any, ...] = ()) -> None:
        self.refusal, self.jobs, self.made = refusal, jobs, list[Any]()
        self.conflict: Exception | None = None

    def read_namespaced_cron_job(self, name: str, *_: Any, **__: Any) -> Any:
        if self.refusal:
            raise self.refusal
        return _cronjob(name)

    def create_namespaced_job(self, namespace: str, job: Any, **_: Any) -> None:
        if self.conflict:
            raise self.conflict
        self.made.append((namespace, job))

    def list_namespaced_job(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(items=list(self.jobs))


def _cluster(batch: _Batch) -> KubernetesCluster:
    return KubernetesCluster(batch, namespace="ml", cronjob_prefix="mlplatform-trainer-")


def test_a_job_is_what_kubectl_would_make() -> None:
    """Template, owner and annotation come from the CronJob; name and reason from the run."""
    batch = _Batch()
    _cluster(batch).start_training("flowers", NAME, reason="new labels")
    ((namespace, job),) = batch.made

    assert "ml" == namespace
    assert NAME == job.metadata.name
    assert {"app": "x", "mlplatform.io/pipeline": "flowers"} == job.metadata.labels
    assert {
        "note": "y",
        "cronjob.kubernetes.io/instantiate": "manual",
        "mlplatform.io/reason": "new labels",
    } == job.metadata.annotations
    assert [("batch/v1", "CronJob", "mlplatform-trainer-flowers", "u-1", True)] == [
        (owner.api_version, owner.kind, owner.name, owner.uid, owner.controller)
        for owner in job.metadata.owner_references
    ]
    assert "trainer" == job.spec.template.spec.containers[0].name


def test_the_reason_reaches_the_run() -> None:
    """The reason is an argument without variables; the CronJob's template is not changed."""
    cronjob = _cronjob()
    (trainer,) = cronjob.spec.job_template.spec.template.spec.containers
    trainer.args = ["trainer", "flowers"]
    job = job_from(cronjob, NAME, pipeline="flowers", reason="labels --of $(TOKEN)")

    assert [
        "trainer",
        "flowers",
        "--why=labels --of $$(TOKEN)",
    ] == job.spec.template.spec.containers[0].args
    assert ["trainer", "flowers"] == trainer.args


def test_names_fit_into_a_label() -> None:
    """The longest pipeline name gives a Job name of at most 63 characters; two runs differ."""
    cluster = _cluster(_Batch())
    names = {cluster.job_of("a" * 41, f"{number:032x}") for number in (1, 2)}

    assert 2 == len(names)
    assert all(len(name) <= 63 for name in names)
    assert NAME == cluster.job_of("flowers", "0" * 22 + "1234567890")


def test_a_job_that_exists_was_started() -> None:
    """The second call for a run finds the Job of the first; another conflict is a refusal."""
    batch, conflict = _Batch(), client.ApiException(status=409, reason="Conflict")
    batch.conflict, conflict.body = conflict, '{"reason": "AlreadyExists"}'
    _cluster(batch).start_training("flowers", NAME, reason="test")
    conflict.body = "the quota is used up"
    with pytest.raises(Refused, match="quota"):
        _cluster(batch).start_training("flowers", NAME, reason="test")

    assert [] == batch.made


def test_runs_are_seen_in_their_states() -> None:
    """Jobs of this CronJob, latest first, with state, reason and times; no others."""

    def job(name: str, age: int, owner: str = "mlplatform-trainer-flowers", **status: Any) -> Any:
        return client.V1Job(
            metadata=client.V1ObjectMeta(
                name=name,
                creation_timestamp=NOON - timedelta(minutes=age),
                annotations={"mlplatform.io/reason": "why"},
                owner_references=[
                    client.V1OwnerReference(
                        api_version="batch/v1", kind="CronJob", name=owner, uid="u"
                    )
                ],
            ),
            status=client.V1JobStatus(**status),
        )

    def ended(kind: str) -> list[Any]:
        return [client.V1JobCondition(type=kind, status="True", last_transition_time=NOON)]

    jobs = (
        job("old", 9, conditions=ended("Complete"), completion_time=NOON),
        job("new", 1),
        job("bad", 5, conditions=ended("Failed")),
        job("now", 3, active=1, start_time=NOON),
        job("other", 2, owner="something-else"),
    )
    runs = _cluster(_Batch(jobs=jobs)).jobs("flowers")

    assert [
        ("new", "waiting", None),
        ("now", "running", None),
        ("bad", "failed", NOON),
        ("old", "succeeded", NOON),
    ] == [(run.name, run.state, run.finished_at) for run in runs]
    assert {"why"} == {run.reason for run in runs}


@pytest.mark.parametrize(
    ("refusal", "kind", "text"),
    [
        (
            client.ApiException(status=404, reason="Not Found"),
            UnknownName,
            "no CronJob 'mlplatform-trainer-flowers'",
        ),
        (client.ApiException(status=403, reason="Forbidden"), Unavailable, "service account"),
        (client.ApiException(status=422, reason="Invalid"), Refused, "refuses the Job"),
        (client.ApiException(status=500, reason="Oops"), Unavailable, "500"),
        (
            urllib3.exceptions.MaxRetryError(None, "/", "no route"),  # type: ignore[arg-type]
            Unavailable,
            "no answer",
        ),
    ],
)
def test_refusals_say_what_is_wrong(
    refusal: Exception, kind: type[PlatformError], text: str
) -> None:
    """Each refusal of the API becomes one of our errors that says what to check."""
    with pytest.raises(kind, match=text):
        _cluster(_Batch(refusal)).start_training("flowers", NAME, reason="test")
