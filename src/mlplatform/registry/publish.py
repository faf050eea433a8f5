"""Runs and model versions in MLflow, through its client with explicit run ids.

MLflow's fluent interface keeps hidden state per process.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from mlplatform.errors import PlatformError, Refused, Unavailable

Status = Literal["FINISHED", "FAILED", "KILLED"]
_ROUND = 100  # MLflow's limits per log_batch call: 100 parameters, 1000 metrics
_VALUE = 6_000


@dataclass(frozen=True)
class MlflowRun:
    """One MLflow run, and what is written into it.

    Every method raises Unavailable when the server is away, Refused when it says no.
    """

    client: Any  # mlflow's, which has no types
    id: str
    experiment: str
    artifacts: str  # '<experiment>/<run>/artifacts', below MLflow's artifact proxy

    @property
    def model_artifacts(self) -> str:
        """Where `register` expects the model folder."""
        return f"{self.artifacts}/model"

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Log parameters; long values are cut, as MLflow would refuse them."""
        from mlflow.entities import Param  # noqa: PLC0415 - see _client

        items = [Param(key, str(value)[:_VALUE]) for key, value in values.items()]
        with _translated():
            for begin in range(0, len(items), _ROUND):
                self.client.log_batch(self.id, params=items[begin : begin + _ROUND])

    def metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Log metrics at one step."""
        from mlflow.entities import Metric  # noqa: PLC0415 - see _client

        now = int(time.time() * 1000)
        items = [Metric(key, float(value), now, step) for key, value in values.items()]
        with _translated():
            self.client.log_batch(self.id, metrics=items)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        from mlflow.entities import RunTag  # noqa: PLC0415 - see _client

        items = [RunTag(key, value[:_VALUE]) for key, value in values.items()]
        with _translated():
            self.client.log_batch(self.id, tags=items)

    def files(self, folder: Path, path: str) -> None:
        """Upload all files of a folder below `path` of the run's artifacts."""
        with _translated():
            self.client.log_artifacts(self.id, str(folder), path)

    def register(
        self, model: str, *, about: str, description: str, tags: Mapping[str, str], above: int = 0
    ) -> str:
        """Make a version of the registered model out of the run's model folder; returns its number.

        `about` describes the model as a whole, `description` the version, both in plain words. The
        number is larger than `above`: MLflow counts from 1 again for a model that was deleted, and
        the promotion record must not get a number twice.
        """
        with _translated():
            _describe_model(self.client, model, about)
            while True:
                version = self.client.create_model_version(
                    model,
                    f"mlflow-artifacts:/{self.model_artifacts}",
                    run_id=self.id,
                    tags=dict(tags),
                    description=description,
                    await_creation_for=None,  # the answer comes when the version is there
                )
                if int(version.version) > above:
                    return str(version.version)
                # A deleted version keeps its number, so the next one gets the next.
                self.client.delete_model_version(model, version.version)

    def finish(self, status: Status) -> None:
        """End the run."""
        with _translated():
            self.client.set_terminated(self.id, status)


class Publisher:
    """Begins runs in MLflow.

    Every method raises Unavailable when the server is away, Refused when it says no.
    """

    def __init__(
        self, url: str, *, credentials: tuple[str, str] | None = None, timeout_s: float = 60.0
    ) -> None:
        self._client = _client(url, credentials, timeout_s)

    def start(self, pipeline: str, *, name: str, tags: Mapping[str, str]) -> MlflowRun:
        """Begin a run in the experiment of that pipeline, which is made when it is missing."""
        with _translated():
            experiment = self._experiment(pipeline)
            run = self._client.create_run(experiment, run_name=name, tags=dict(tags))
        artifacts = urlsplit(run.info.artifact_uri)
        if artifacts.scheme != "mlflow-artifacts":
            raise Refused(
                f"MLflow stores artifacts at {artifacts.scheme or 'a path'}:, "
                "not behind its own proxy",
                fix="start `mlflow server` with --artifacts-destination "
                "and without --default-artifact-root",
            )
        return MlflowRun(self._client, run.info.run_id, experiment, artifacts.path.lstrip("/"))

    def fail(self, run: str, failure: str) -> None:
        """End a run that can't end itself any more."""
        with _translated():
            self._client.set_tag(run, "failure", failure[:_VALUE])
            self._client.set_terminated(run, "FAILED")

    def _experiment(self, pipeline: str) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see _client

        found = self._client.get_experiment_by_name(pipeline)
        if found is None:
            try:
                return str(self._client.create_experiment(pipeline))
            except MlflowException as error:  # made by another run in between
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(pipeline)
        if found.lifecycle_stage != "active":
            raise Refused(
                f"the MLflow experiment '{pipeline}' is deleted",
                fix="restore it: mlflow experiments restore",
            )
        return str(found.experiment_id)


def _describe_model(client: Any, model: str, about: str) -> None:
    """The registered model with this description, made when it is missing."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see _client

    try:
        client.create_registered_model(model, description=about)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        client.update_registered_model(model, description=about)


def _client(url: str, credentials: tuple[str, str] | None, timeout_s: float) -> Any:
    """MLflow's client, with reports to its makers off, bounded retries, and nothing printed.

    Imported here and not at the top: the import takes a second and a half, and whoever only names
    this class need not wait for it. These are MLflow's own switches; it has them per process.
    """
    from mlflow import MlflowClient  # noqa: PLC0415

    switches, telemetry = _untyped("mlflow.environment_variables"), _untyped("mlflow.telemetry")
    switches.MLFLOW_DISABLE_TELEMETRY.set(True)
    telemetry.set_telemetry_client()  # reads the switch again
    switches.MLFLOW_HTTP_REQUEST_TIMEOUT.set(round(timeout_s))
    switches.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(3)
    switches.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    switches.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)
    if credentials:
        switches.MLFLOW_TRACKING_USERNAME.set(credentials[0])
        switches.MLFLOW_TRACKING_PASSWORD.set(credentials[1])
    return MlflowClient(tracking_uri=url, registry_uri=url)


def _untyped(name: str) -> Any:
    return importlib.import_module(name)


@contextmanager
def _translated() -> Iterator[None]:
    """MLflow's and requests' errors as ours."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see _client
    from requests import RequestException  # noqa: PLC0415 - comes with MLflow

    try:
        yield
    except PlatformError:
        raise
    except RequestException as error:
        raise Unavailable(f"no answer from MLflow: {error}") from error
    except MlflowException as error:
        away = error.error_code in (
            "INTERNAL_ERROR",
            "TEMPORARILY_UNAVAILABLE",
            "REQUEST_LIMIT_EXCEEDED",
        )
        raise (Unavailable if away else Refused)(f"MLflow: {error.message}") from error
