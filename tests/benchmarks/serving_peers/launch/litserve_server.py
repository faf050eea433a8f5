"""LitServe over a scikit-learn model: python litserve_server.py FOLDER PORT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import numpy as np
import pandas as pd


class Api(litserve.LitAPI):
    """One request per call; a batching window would only make few callers slower."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)

    def setup(self, device: str) -> None:
        """In the worker."""
        del device
        self._model = joblib.load(self._folder / "model.joblib")

    def decode_request(self, request) -> Any:  # its web framework would read an annotation
        """Rows to a table or an array."""
        rows = request["instances"]
        return pd.DataFrame(rows) if isinstance(rows[0], dict) else np.array(rows)

    def predict(self, x: Any) -> Any:
        """By scikit-learn."""
        return self._model.predict(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        """To JSON."""
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Api(sys.argv[1]), accelerator="cpu").run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="error",
        generate_client_file=False,
        access_log=False,
    )
