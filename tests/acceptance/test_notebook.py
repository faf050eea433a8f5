"""The notebook of the documentation, cell by cell, in a folder with a running stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mlplatform
from mlplatform.client.platform_client import PlatformClient

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.ipynb"
RUN = """
import json, sys
space = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1]))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), space)
d, answer, labels = space["d"], space["answer"], space["labels"]
print(json.dumps({
    "rows": [len(d), d.receipt.rows, len(space["frame"])],
    "again": space["again"].receipt.sha256 == d.receipt.sha256,
    "answers": answer.predictions,
    "requests": sorted(set(answer.request_ids)),
    "labels": [labels.accepted, len(labels.refused)],
}))
"""


@pytest.fixture
def folder(stack: Any, tmp_path: Path) -> Path:
    """A folder whose local stack is the running one."""
    (tmp_path / ".mlplatform").symlink_to(stack.home)
    return tmp_path


def stored(platform: PlatformClient, ids: list[str]) -> list[int]:
    """The rows of each of these requests that is stored."""
    query = {"columns": ["request_id", "rows"], "limit": 1_000}
    found = platform.dataset("late-delivery.requests", **query).to_arrow().to_pylist()
    return [each["rows"] for each in found if each["request_id"] in ids]


def test_the_notebook_runs(stack: Any, folder: Path, wait: Any) -> None:
    """Every cell runs as it stands: it finds the stack, reads, predicts and labels.

    Its request is stored, once.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLPLATFORM_")
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, NOTEBOOK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    with mlplatform.connect(home=stack.home) as platform:
        kept = wait(lambda: stored(platform, found["requests"]))

    assert [1_000] * 3 == found["rows"]
    assert found["again"]
    assert {"late", "on_time"} >= set(found["answers"])
    assert (29, 1, [2, 0]) == (len(found["answers"]), len(found["requests"]), found["labels"])
    assert [29] == kept


def test_the_notebook_holds_no_outputs() -> None:
    """They would differ at each run, and nobody would know which ones are still true."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]

    assert [] == [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
