"""Everything that MLflow's scoring client does with a model. It sends no token.

    python of_mlflow.py SCENE

See of_triton.py for SCENE and for what is printed.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

SCENE: dict[str, Any] = json.loads(sys.argv[1])
ROWS, DATATYPES = SCENE["rows"], SCENE["datatypes"]


def predicted(data: Any) -> list[Any]:
    """The predictions that the client found."""
    found: list[Any] = client.invoke(data)["predictions"]
    return found


def error(call: Callable[[], Any]) -> list[str]:
    """The client's error: its type and text."""
    try:
        return ["answered", str(call())]
    except Exception as failed:  # noqa: BLE001  (it raises no other type)
        return [type(failed).__name__, str(failed)]


warnings.simplefilter("ignore")
host, _, port = SCENE["http"].partition(":")
client = ScoringServerClient(host, int(port))
client.wait_server_ready()
frame = pd.DataFrame(ROWS)
first = next(name for name, datatype in DATATYPES.items() if datatype == "FP64")
bad = [ROWS[0], ROWS[1] | {first: "x"}, *ROWS[2:]]
found: dict[str, Any] = {
    "version": client.get_version(),
    "frame": predicted(frame),
    "columns in another order": predicted(frame[list(reversed(list(frame)))]),
    "lists": predicted([list(row.values()) for row in ROWS]),
    "split": predicted(json.dumps({"dataframe_split": frame.to_dict("split")})),
    "records": predicted(json.dumps({"dataframe_records": ROWS})),
    "instances": predicted(json.dumps({"instances": ROWS})),
    "inputs": predicted(json.dumps({"inputs": frame.to_dict("list")})),
    "as a frame": client.invoke(frame).get_predictions().iloc[:, 0].tolist(),
    "bad value!": error(lambda: client.invoke(json.dumps({"dataframe_records": bad}))),
    "missing column!": error(lambda: client.invoke(frame.drop(columns=first))),
    "params!": error(lambda: client.invoke(frame, params={"temperature": 0.1})),
}
if set(DATATYPES.values()) == {"FP64"}:
    found["array"] = predicted(frame.to_numpy(np.float64))
print(json.dumps(found))
