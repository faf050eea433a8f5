"""What a serving process carries."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAINING = {
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
PAGES = {"fastapi", "opentelemetry", "jinja2"}
TERMINAL = {"rich", "pygments"}
GIT = {"dulwich"}
SERVER = {"uvicorn", "uvloop", "msgspec", "starlette"}
PROBE = """
import sys
import {modules}
print(" ".join(sorted({{name.split(".")[0] for name in sys.modules}})))
"""
POD = "mlplatform.cli.main, mlplatform.serving.main, mlplatform.engine.onnx"
FOLDER = (
    "mlplatform.cli.main, mlplatform.cli.serve, mlplatform.cli.process, "
    "mlplatform.serving.own_folder, mlplatform.serving.standalone, mlplatform.engine.onnx"
)
TRIED = "mlplatform.cli.process, mlplatform.serving.own_folder"
CHILD = "mlplatform.engine.trial_child, mlplatform.engine.onnx"


def _loaded(modules: str) -> set[str]:
    """The packages that a new process has loaded after these imports."""
    code = PROBE.format(modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("modules", [POD, FOLDER, CHILD], ids=["pod", "folder", "child"])
def test_the_onnx_path_carries_only_what_it_serves_with(modules: str) -> None:
    """No training or database code; nor FastAPI, rich and git, which take half of a start."""
    assert set() == (TRAINING | PAGES | TERMINAL | GIT) & _loaded(modules)


def test_a_folder_is_tried_before_the_server_is_imported() -> None:
    """The trial goes on while the rest of serving is imported."""
    assert set() == SERVER & _loaded(TRIED)


def test_the_process_of_a_trial_is_started_before_any_import() -> None:
    """Its own imports and those of the server take as long, side by side."""
    assert set() == {"numpy", "pydantic", "yaml"} & _loaded("mlplatform.engine.trial_process")
