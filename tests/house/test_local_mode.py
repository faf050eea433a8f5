"""Local mode is for one machine: what runs on a cluster does not know it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from mlplatform.cli.commands import COMMANDS, PROCESSES

ROOT = Path(__file__).parents[2] / "src"
LOCAL = "mlplatform.local"
PUBLIC = ("mlplatform", "mlplatform.public")
"""The package and its `connect`, which may find a local stack: a person's program calls it, and no
process imports it (tests/unit/ground/test_public.py)."""


def _imports(code: str) -> set[str]:
    """Every module that code may import, anywhere in it and however it writes the import."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # for import_module
    return {name for name in names if name.startswith("mlplatform")}


def _users_of_local(starts: Iterable[str], sources: Mapping[str, str]) -> set[str]:
    """Those of the modules that import local mode, themselves or by way of others."""
    found = set()
    for start in starts:
        reached = [start]
        for module in reached:
            reached += _imports(sources.get(module, "")) - set(reached)
        if any(name == LOCAL or name.startswith(f"{LOCAL}.") for name in reached):
            found.add(start)
    return found


def _sources() -> dict[str, str]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path.read_text()
        for path in ROOT.rglob("*.py")
    }


@pytest.mark.parametrize(
    "code",
    [
        "import mlplatform.local.state",
        "from mlplatform import local",
        "from mlplatform.local.stack import LocalStack",
        "def command():\n    from mlplatform.local import state",
        "module = import_module('mlplatform.local.stack')",
        "from mlplatform.other import name",
    ],
)
def test_every_way_to_local_mode_is_seen(code: str) -> None:
    """The searches below would find each of them, also by way of another module."""
    other = {"mlplatform.other": "from mlplatform.local import state"}

    assert {"start"} == _users_of_local(["start"], {"start": code} | other)


def test_the_cluster_of_local_mode_is_not_local_mode() -> None:
    """`mlplatform.cluster.local` starts trainings as child processes; it is the data API's."""
    code = {"start": "from mlplatform.cluster.local import LocalCluster"}

    assert set() == _users_of_local(["start"], code)


def test_no_component_uses_local_mode() -> None:
    """Components, the outside and the ground run on clusters."""
    sources = {name: text for name, text in _sources().items() if name not in PUBLIC}
    below = [name for name in sources if not name.startswith(("mlplatform.cli", LOCAL))]

    assert "mlplatform.dataapi.main" in below
    assert set() == _users_of_local(below, sources)


def test_no_command_of_a_cluster_uses_local_mode() -> None:
    """The commands that the chart starts; those for a person's machine may."""
    started = {f"mlplatform.cli.{each.module}" for each in COMMANDS if each.panel == PROCESSES}

    assert "mlplatform.cli.mlflow" in started
    sources = {name: text for name, text in _sources().items() if name not in PUBLIC}
    assert set() == _users_of_local({"mlplatform.cli.main", *started}, sources)
