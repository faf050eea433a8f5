"""Which paths are predictions, and in which dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, ROWS
from mlplatform.serving.request import Route

SINGLE = "/invocations"
"""The path of MLflow's and SageMaker's clients, which know one model per server."""


class RouteTable:
    """The paths of the models of this process.

    Those are known from the start, so that finding one costs one look into a dict; the rest is read
    part by part: versions, and models that are not here.
    """

    def __init__(self, models: Sequence[str]) -> None:
        self._known = {path: route for model in models for path, route in _routes(model)}
        if len(models) == 1:
            self._known[SINGLE] = Route(models[0], None, MLFLOW)

    def find(self, path: str) -> Route | None:
        """The route of a prediction path; None for any other."""
        return self._known.get(path) or _read(path)


def invocations(model: str) -> str:
    """The path of that model's MLflow invocations."""
    return f"/models/{model}/invocations"


def _routes(model: str) -> Iterator[tuple[str, Route]]:
    yield f"/v1/models/{model}/predict", Route(model, None, ROWS)
    yield f"/v2/models/{model}/infer", Route(model, None, INFERENCE)
    yield f"/v1/models/{model}:predict", Route(model, None, KSERVE)
    yield invocations(model), Route(model, None, MLFLOW)


def _read(path: str) -> Route | None:
    match path.split("/"):
        case ["", "v1", "models", model, "predict"]:
            return Route(model, None, ROWS)
        case ["", "v1", "models", name] if name.endswith(":predict"):
            return Route(name.removesuffix(":predict"), None, KSERVE)
        case ["", "v2", "models", model, "infer"]:
            return Route(model, None, INFERENCE)
        case ["", "v2", "models", model, "versions", version, "infer"]:
            return Route(model, version, INFERENCE)
        case ["", "models", model, "invocations"]:
            return Route(model, None, MLFLOW)
    return None
