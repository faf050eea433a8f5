"""Numbers as people write them: what a model computed in float32, without the digits of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray


def as_written(values: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers in float64; of float32 ones, those whose shortest text is the same.

    290.16 in float32 is 290.15997314453125 when float64 has to hold the very same number, and
    everybody who reads an answer gets all these digits. Of two float64 that float32 can't tell
    apart, either is as near to what the model computed.
    """
    if values.dtype != np.float32 or not values.size:
        return values.astype(np.float64, copy=False)
    # Of the ways to find the shortest text this is the fastest by far: 4 us for 64 numbers, where
    # NumPy's own takes 33.
    flat = np.ascontiguousarray(values).reshape(-1)
    numbers = orjson.loads(orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY))
    if None in numbers:  # NaN and infinity, which are for others to refuse
        return values.astype(np.float64)
    return np.array(numbers, dtype=np.float64).reshape(values.shape)
