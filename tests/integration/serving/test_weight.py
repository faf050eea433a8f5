"""What a serving process carries."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "mlflow",
    "pandas",
    "sklearn",
    "pyarrow",
    "psycopg",
    "pandera",
    "skops",
    "sqlalchemy",
    "matplotlib",
    "scipy",
}
PROBE = """
import sys
import mlplatform.serving.main, mlplatform.engine.onnx, mlplatform.features.code
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_the_onnx_path_carries_no_training_weight() -> None:
    """Serving a compiled model imports no MLflow, pandas, scikit-learn, Arrow or database code."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)

    assert set() == HEAVY & set(done.stdout.split())


def test_git_is_loaded_only_when_code_is_fetched() -> None:
    """Its library would be a tenth of a serving process's memory."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)

    assert "dulwich" not in done.stdout.split()
