"""values.yaml is the source, and nothing in it is idle."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import chart_docs
import helm_python as helm
import pytest
import yaml
from chart_rendering import CHART, rendered, values_of

ROOT = CHART.parents[1]
PASSED = {
    "dataapi.ingress",
    "serving.ingress",
    "dataapi.httpRoute",
    "serving.httpRoute",
    "dataapi.service",
    "serving.service",
}
"""Blocks that templates take whole, by the component's name (_ingress.tpl, refusals.yaml)."""


def leaves(key: chart_docs.Key) -> list[str]:
    """Paths of all keys that hold a value of their own."""
    return [
        path
        for child in key.children
        for path in (leaves(child) if child.children else [".".join(child.path)])
    ]


TREE = chart_docs.read_values((CHART / "values.yaml").read_text())
TEMPLATES = "".join(
    path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file()
)


def test_generated_files_are_fresh() -> None:
    """What is generated follows from its sources.

    That is values.schema.json, the README's tables, the settings block, and the database's first
    statements.
    """
    done = subprocess.run(
        [sys.executable, "tools/chart_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == done.stdout + done.stderr


def test_every_key_is_documented() -> None:
    """Each key of values.yaml has a sentence, except switches that say all by their name."""

    def silent(key: chart_docs.Key) -> list[str]:
        own = (
            [".".join(key.path)]
            if key.path
            and not key.text
            and key.path[-1] not in ("enabled", "type", "minReplicas", "maxReplicas")
            else []
        )
        return own + [path for child in key.children for path in silent(child)]

    assert [] == silent(TREE)


def test_every_key_is_used() -> None:
    """Each key is read by a template; settings of processes are rendered as a whole."""
    used = {
        path.rstrip(".")
        for path in re.findall(r"\.?\$?(?:v|Values|values|scale)((?:\.\w+)+)", TEMPLATES)
    }
    paths = {path.removeprefix(".") for path in used}

    def read(key: str) -> bool:
        return (
            key.startswith("settings.")
            or any(key.startswith(block) for block in PASSED)
            or any(key == path or key.endswith(f".{path}") for path in paths)
        )

    assert [] == [key for key in leaves(TREE) if not read(key)]


def test_every_key_that_a_template_reads_exists() -> None:
    """No template asks for a value that values.yaml lacks."""
    known = set(leaves(TREE))
    groups = {
        ".".join(key.split(".")[:depth]) for key in known for depth in range(1, key.count(".") + 1)
    }
    asked = {path[1:] for path in re.findall(r"(?:\$v|\.Values)((?:\.\w+)+)", TEMPLATES)}

    assert [] == sorted(path for path in asked if path not in known | groups)


def test_one_file_sets_every_key() -> None:
    """ci/every-key-values.yaml holds every key.

    Each is rendered and validated at least once that way.
    """
    given = values_of("every-key")

    def holds(path: str) -> bool:
        at: Any = given
        for word in path.split("."):
            if not isinstance(at, dict) or word not in at:
                return False
            at = at[word]
        return True

    assert [] == [path for path in leaves(TREE) if not holds(path)]


@pytest.mark.parametrize(
    "path", ["sorce", "postgres.instance", "settings.serving.max_row", "serving.autoscaling.max"]
)
def test_unknown_keys_are_refused(path: str) -> None:
    """A typo at any depth is an error, not a default."""
    values: dict[str, Any] = {"source": {"builtin": True}}
    at = values
    *groups, last = path.split(".")
    for group in groups:
        at = at.setdefault(group, {})
    at[last] = 1

    with pytest.raises(helm.HelmValuesError, match=f"additional properties '{last}' not allowed"):
        rendered(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"postgres": {"instances": 1}}, "minimum: got 1, want 2"),
        ({"kafka": {"nodes": 2}}, "value must be one of 1, 3"),
        ({"settings": {"serving": {"auth": "maybe"}}}, "value must be one of 'bearer', 'none'"),
        ({"pipelines": [{"name": "Bad_Name"}]}, "does not match pattern"),
    ],
)
def test_values_out_of_bounds_are_refused(values: dict[str, Any], said: str) -> None:
    """The schema knows the bounds that values.yaml names."""
    with pytest.raises(helm.HelmValuesError, match=re.escape(said)):
        rendered({"source": {"builtin": True}, **values})


def test_ci_files_say_what_they_are() -> None:
    """Each values file begins with a sentence about who runs it."""
    for path in sorted((CHART / "ci").glob("*.yaml")):
        assert path.read_text().startswith("# "), path.name


def test_locks_of_the_images_agree_with_the_whole_lock() -> None:
    """Whatever an image installs is what the lock of the project names."""

    def pins(name: str) -> set[str]:
        return set(
            re.findall(
                r"^[a-zA-Z0-9._-]+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE
            )
        )

    whole = pins("lock.txt")
    boosters = ("xgboost.txt", "lightgbm.txt", "catboost.txt")
    for name in ("serving.txt", "serving-sklearn.txt", "full.txt", *boosters):
        assert set() == pins(name) - whole, name
    assert Path(ROOT / "Dockerfile").exists()
    assert any(
        pin.startswith("boto3==") for pin in pins("full.txt")
    )  # what `mlflow.artifacts: s3://…` promises
    assert [] == [
        name
        for name in ("mlflow", "scikit-learn", "pandas", "pyarrow")
        if re.search(rf"^{name}==", (ROOT / "requirements/serving.txt").read_text(), re.MULTILINE)
    ]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
