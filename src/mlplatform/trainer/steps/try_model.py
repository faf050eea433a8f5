"""Try the exported model as serving does before it loads one: the same code, the same rows."""

from __future__ import annotations

from mlplatform.engine.trials import Trials
from mlplatform.trainer.results import Pinned, TrainedModel


def try_model(model: TrainedModel, pinned: Pinned, trials: Trials) -> None:
    """Return when serving will be able to load `model`.

    Raises UnfitModel that names the row which it refuses, and how to declare such rows away or to
    handle them; or the limit that its load or trial exceeds.
    """
    trials.run(model.folder, pinned.files.features, name="the exported model")
