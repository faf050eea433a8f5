"""The files with which git servers try a repository's pipelines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlplatform.draft.ci_file import PLACES, GitServer, write_ci

EXAMPLE = Path(__file__).parents[3] / "pipelines" / "diabetes"


def github(document: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Variables and shell lines of a workflow, as GitHub takes it."""
    (job,) = document["jobs"].values()
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]

    # YAML 1.1 reads the key `on` as a flag; GitHub does not.
    assert {"push", "pull_request"} == set(document[True])
    assert {"contents": "read"} == document["permissions"]
    assert ["actions/checkout", "actions/setup-python"] == used
    assert "ubuntu-latest" == job["runs-on"]
    return job["env"], [step["run"] for step in job["steps"] if "run" in step]


def gitlab(document: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Variables and shell lines of a job, as GitLab takes it."""
    (job,) = document.values()

    assert {"image", "timeout", "variables", "script"} == set(job)
    return job["variables"], job["script"]


READ = {"github": github, "gitlab": gitlab}


@pytest.mark.parametrize("server", PLACES)
def test_its_lines_try_the_pipelines(tmp_path: Path, server: GitServer) -> None:
    """As they stand, in a clone: they succeed, and fail when a pipeline is broken."""
    file = write_ci(server, tmp_path)
    assert file is not None
    variables, lines = READ[server](yaml.safe_load(file.read_text()))
    folder = tmp_path / "pipelines" / "diabetes"
    folder.mkdir(parents=True)
    for path in EXAMPLE.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    sound = _run(tmp_path, variables, lines)
    (folder / "model.py").write_text("def build(parameters):\n    return 1\n")
    broken = _run(tmp_path, variables, lines)

    assert (0, 1) == (sound.returncode, broken.returncode), sound.stdout + broken.stdout
    assert "ok      diabetes" in sound.stdout
    assert "failed  diabetes" in broken.stdout


def _run(
    folder: Path, variables: dict[str, str], lines: list[str]
) -> subprocess.CompletedProcess[str]:
    """All lines in one shell that ends at the first failure; what pip needs is installed here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        env={**os.environ, **variables, "PATH": path, "PIP_NO_INDEX": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
