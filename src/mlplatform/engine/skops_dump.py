"""Write a fitted scikit-learn estimator as a skops file. Only training does this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import skops.io

from mlplatform.engine.skops_file import judged
from mlplatform.errors import InvalidInput


def dump_skops(estimator: Any, trusted: Sequence[str]) -> bytes:
    """The bytes of a model.skops.

    Raises IntegrityFailure when serving would refuse its types, InvalidInput when skops can't write
    it.
    """
    try:
        data = bytes(skops.io.dumps(estimator))
    except Exception as error:  # skops raises several classes for objects without a representation
        raise InvalidInput(f"can't be written as skops: {type(error).__name__}: {error}") from error
    judged(data, trusted)
    return data
