"""KServe's Python server over a scikit-learn model: python kserve_server.py NAME FOLDER PORT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import kserve
import numpy as np
import pandas as pd


class SklearnModel(kserve.Model):
    """Protocol v1, which costs this server least."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._model = joblib.load(folder / "model.joblib")
        self.ready = True

    def predict(self, payload: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        """Rows to answers."""
        rows = payload["instances"]
        table = pd.DataFrame(rows) if isinstance(rows[0], dict) else np.array(rows)
        return {"predictions": self._model.predict(table).tolist()}


if __name__ == "__main__":
    NAME, FOLDER, PORT = sys.argv[1:]
    kserve.ModelServer(
        http_port=int(PORT), workers=1, enable_grpc=False, enable_latency_logging=False
    ).start([SklearnModel(NAME, Path(FOLDER))])
