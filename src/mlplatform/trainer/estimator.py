"""The pipeline's own estimator: model.py from the checkout, seeded."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlplatform.engine.boosters.defaults import absent, settle
from mlplatform.errors import InvalidInput
from mlplatform.trainer.results import Pinned

Build = Callable[[dict[str, Any]], Any]


def builder(pinned: Pinned) -> Build:
    """`build(parameters)` of the pinned model.py, seeded with the split's seed.

    The seed goes into every `random_state` that the author left open (None). Runs the file. Raises
    InvalidInput when it can't be run or defines no `build`; so does the returned function when
    `build` fails.
    """
    build = _load(pinned.files.model, pinned.commit)
    seed = pinned.definition.split.seed

    def seeded(parameters: dict[str, Any]) -> Any:
        try:
            estimator = build(dict(parameters))
        except Exception as error:  # the author's code may raise anything
            raise InvalidInput(
                f"model.py: build({parameters}) failed: {error!r}", field="model.py"
            ) from error
        # Asked of the class: an unfitted StackingClassifier itself has no `predict` yet.
        if not all(hasattr(type(estimator), name) for name in ("fit", "predict", "get_params")):
            kind = type(estimator).__name__
            message = f"model.py: build() must return a scikit-learn estimator, not {kind}"
            raise InvalidInput(message, field="model.py")
        settle(estimator)
        return estimator.set_params(**_open_seeds(estimator.get_params(deep=True), seed))

    return seeded


def _open_seeds(parameters: Mapping[str, Any], seed: int) -> dict[str, int]:
    return {
        name: seed
        for name, value in parameters.items()
        if name.split("__")[-1] == "random_state" and value is None
    }


def _load(model: Path, commit: str) -> Build:
    name = f"mlplatform_model_{model.parent.name.replace('-', '_')}_{commit[-12:]}"
    spec = importlib.util.spec_from_file_location(name, model)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{model} can't be imported", field="model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes of the file find their module there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the author's code may raise anything
        del sys.modules[name]
        if refusal := absent(error):
            raise refusal from error
        raise InvalidInput(f"model.py failed: {error!r}", field="model.py") from error
    build = getattr(module, "build", None)
    if not callable(build):
        raise InvalidInput("model.py defines no function build(parameters)", field="model.py")
    # Checked to be callable; what it returns is checked at each call.
    return build  # type: ignore[no-any-return]
