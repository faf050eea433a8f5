"""Raw columns in, outputs out: the features code and the engine of one model folder, together.

Trials, training and serving predict through this one class.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.interface import Engine
from mlplatform.errors import IntegrityFailure, PlatformError
from mlplatform.features.code import FeatureSet


class Predictor:
    """Immutable; safe to share between threads as far as features.py is."""

    def __init__(self, signature: Signature, features: FeatureSet, engine: Engine) -> None:
        self.signature = signature
        self.features = features
        self._engine = CheckedEngine(engine, signature)
        self._outputs = tuple(output.name for output in signature.outputs)

    def predict(self, table: Columns, rows: int) -> Columns:
        """Outputs of raw columns: features, then engine.

        Raises what the model raises, RowRefused where it gives no number, and PlatformError when
        it does not give a row for each row.
        """
        outputs = self._engine.predict(self.features.apply(table))
        for name in self._outputs:
            if len(outputs[name]) != rows:
                raise PlatformError(
                    f"the model gave {len(outputs[name])} values of '{name}' for {rows} rows"
                )
        return outputs


def read_definition(folder: Path) -> PipelineDefinition:
    """pipeline.yaml of a model folder. Raises IntegrityFailure, InvalidInput."""
    try:
        # Written by a trainer with yaml.safe_dump, so read with the other half of it.
        document = yaml.safe_load((folder / "pipeline.yaml").read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise IntegrityFailure(
            f"can't read the model's pipeline.yaml: {error}", field="pipeline.yaml"
        ) from error
    return PipelineDefinition.parse(document, where="pipeline.yaml of the model")


def refuse_other_features(signature: Signature, features: FeatureSet) -> None:
    """Raise IntegrityFailure unless these are the features that the model was trained on."""
    if (features.inputs, features.features) != (signature.inputs, signature.features):
        raise IntegrityFailure(
            f"features of {signature.pipeline} at {signature.commit} are not those that the model "
            "was trained on",
            field="signature.json",
        )
