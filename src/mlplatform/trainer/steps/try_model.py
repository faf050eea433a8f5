"""Try the exported model as serving does before it loads one: the same code, the same rows."""

from __future__ import annotations

from mlplatform.contracts.columns import Columns
from mlplatform.engine.trial import REFUSED_ROW
from mlplatform.engine.trials import Trials
from mlplatform.errors import TryLater, UnfitModel
from mlplatform.features.acceptance import History
from mlplatform.trainer.results import Pinned, TrainedModel


def try_model(model: TrainedModel, pinned: Pinned, trials: Trials, history: History) -> None:
    """Return when serving will be able to load `model`.

    Raises UnfitModel that names the row which it refuses, and how to declare such rows away or to
    handle them; or the limit that its load or trial exceeds. `history` gives rows that the model
    answers: with them it is found which columns of the refused row are to blame.
    """
    features = pinned.files.features
    try:
        trials.run(model.folder, features)
    except UnfitModel as refusal:
        if refusal.field == REFUSED_ROW and (known := _known(history)):
            trials.run(model.folder, features, known=known)
        raise


def _known(history: History) -> Columns | None:
    try:
        return history()
    except TryLater:  # the refusal is known already; this only makes it shorter
        return None
