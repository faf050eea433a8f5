"""Which pipelines can be trained on a Ray cluster: the refusals, before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast, get_args

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.ray_job import BoosterFormat
from mlplatform.engine.boosters.found import package_of
from mlplatform.errors import InvalidInput, Refused
from mlplatform.settings import RaySettings, variable

FIELD = "training.engine"
_ALONE = (
    "let build() return the booster alone, and encode texts in features.py; or leave training out"
)


def require_address(definition: PipelineDefinition, settings: RaySettings) -> None:
    """Raises Refused, naming the setting, where the pipeline needs Ray and none is known."""
    if definition.training is not None and not settings.address:
        raise Refused(
            "pipeline.yaml says training.engine: ray, and no Ray cluster is known",
            field=variable("ray", "address"),
            fix="set it to Ray's dashboard (chart: trainer.ray.address), or leave training out",
        )


def require_suited(definition: PipelineDefinition, estimator: Any) -> None:
    """Raises InvalidInput for what can't come back from Ray as a library's own file.

    Only trees come back: a pipeline around the booster, code and some parameters would be lost.
    """
    if definition.training is None:
        return
    package, kind = package_of(estimator), type(estimator)
    own = kind.__module__.split(".")[0] not in (package, "mlplatform")
    if package not in get_args(BoosterFormat) or own:
        raise InvalidInput(
            f"with training.engine: ray, an XGBoost or LightGBM estimator must stand alone, "
            f"and build() returns a {kind.__module__}.{kind.__name__}",
            field=FIELD,
            fix=_ALONE,
        )
    _require_kept(estimator.get_params())


def _require_kept(given: Mapping[str, Any]) -> None:
    """Parameters that a library's file does not hold."""
    if callable(given.get("objective")):
        raise InvalidInput(
            "with training.engine: ray, a booster can't have an objective of its own",
            field=FIELD,
            fix="take one of the library's by its name",
        )
    missing = given.get("missing")
    if missing is not None and not math.isnan(missing):
        raise InvalidInput(
            f"with training.engine: ray, missing={missing} would be lost with XGBoost's file",
            field=FIELD,
            fix="give such values as null, and leave missing out",
        )


def format_of(estimator: Any) -> BoosterFormat:
    """The library of an estimator that is suited."""
    return cast("BoosterFormat", package_of(estimator))
