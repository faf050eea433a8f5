"""Local mode is for one machine: what runs on a cluster does not know it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "mlplatform"
LOCAL = "mlplatform.local"
LAPTOP = {
    "clean",
    "connection",
    "doctor",
    "example",
    "local_stack",
    "progress",
    "session",
    "status",
    "summary",
    "training",
    "up",
}
"""Modules of the command line for a person at a machine, with or without a local stack."""


def _uses_local(code: str) -> bool:
    """Whether code imports local mode, anywhere in it and however it writes the import."""
    names: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.append(node.value)  # for import_module
    return any(name == LOCAL or name.startswith(f"{LOCAL}.") for name in names)


@pytest.mark.parametrize(
    "code",
    [
        "import mlplatform.local.state",
        "from mlplatform import local",
        "from mlplatform.local.stack import LocalStack",
        "def command():\n    from mlplatform.local import state",
        "module = import_module('mlplatform.local.stack')",
    ],
)
def test_every_way_to_import_local_mode_is_seen(code: str) -> None:
    """The search below would find each of them."""
    assert _uses_local(code)


def test_local_clusters_are_not_local_mode() -> None:
    """`mlplatform.cluster.local` starts training runs; it belongs to the data API."""
    assert not _uses_local("from mlplatform.cluster.local import LocalCluster")


def test_only_the_commands_for_a_laptop_use_local_mode() -> None:
    """Components run on clusters, and so do the commands that start them."""
    users = {
        path.relative_to(SOURCE)
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] != "local" and _uses_local(path.read_text())
    }

    assert {path for path in users if path.parts[0] != "cli"} == set()
    assert {path.stem for path in users} - LAPTOP == set()
