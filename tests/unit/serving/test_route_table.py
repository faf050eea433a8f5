"""Which paths are predictions."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, ROWS
from mlplatform.serving.request import Route
from mlplatform.serving.route_table import RouteTable


@pytest.mark.parametrize("model", ["ward", "unknown"])
@pytest.mark.parametrize(
    ("path", "version", "dialect"),
    [
        ("/v1/models/{}/predict", None, ROWS),
        ("/v1/models/{}:predict", None, KSERVE),
        ("/v2/models/{}/infer", None, INFERENCE),
        ("/v2/models/{}/versions/3/infer", "3", INFERENCE),
        ("/models/{}/invocations", None, MLFLOW),
    ],
)
def test_prediction_paths_are_found(
    model: str, path: str, version: str | None, dialect: str
) -> None:
    """Each names model, version and dialect, also for a model that is not here."""
    assert Route(model, version, dialect) == RouteTable(["ward"]).find(path.format(model))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/ward/infer",
        "/v1/models/ward",
        "/v1/models/ward:explain",
        "/v1/models/ward:predict/",
        "/v1/models/a/b:predict",
        "/v2/models/ward",
        "/v2/models/ward:predict",
        "/v2/models/ward/versions/3/ready",
        "/v2/models/ward/infer/",
        "x/v2/models/ward/infer",
        "/models/ward",
        "/invocations/",
        "/",
        "",
    ],
)
def test_everything_else_is_for_the_application_behind(path: str) -> None:
    """Pages, and paths that there are not."""
    assert RouteTable(["ward"]).find(path) is None


@pytest.mark.parametrize(
    ("models", "found"),
    [(["ward"], ("ward", None, MLFLOW)), (["ward", "other"], None), ([], None)],
)
def test_a_path_without_a_model_is_for_the_only_one(models: list[str], found: Any) -> None:
    """MLflow's and SageMaker's clients know one model per server."""
    assert (Route(*found) if found else None) == RouteTable(models).find("/invocations")
