"""Requests that schemathesis makes of the OpenAPI page, good ones and bad ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from client_environment import client_python

RUN_S = 240.0
BUT = "positive_data_acceptance"
"""The only check that is left out: the page can't say which columns the model has."""


def test_no_request_of_the_documented_kinds_gets_a_server_error(scene: Any, tmp_path: Path) -> None:
    """Every answer has a code, a type and a form that the page shows, and none is a 5xx."""
    python = client_python("schemathesis")
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        f'[parameters]\n"path.model" = "{scene.model}"\n"path.version" = "{scene.version}"\n'
    )
    argv = [
        str(python.with_name("st")), "--config-file", str(config),
        "run", f"http://{scene.http}/openapi.json",
        "--header", f"Authorization: Bearer {scene.token}",
        "--exclude-checks", BUT, "--phases", "examples,coverage,fuzzing",
        "--max-examples", "10", "--seed", "1", "--generation-deterministic",
        "--suppress-health-check", "all",
        "--request-timeout", "20", "--warnings", "off", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=RUN_S, cwd=tmp_path
    )

    assert 0 == done.returncode, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
