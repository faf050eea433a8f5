"""Borders between processes: one typed record per shape, one typed client per server."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args, get_origin

import pytest
from fastapi.routing import APIRoute

from mlplatform.dataapi.app import SUBJECTS

ROOT = Path(__file__).parents[2]
SERVERS = ("src/mlplatform/client/", "src/mlplatform/dataapi/", "src/mlplatform/serving/")
"""Who may know a route: the client, and the two servers that have it."""
WIRE_TESTS = (
    "tests/integration/dataapi/", "tests/integration/serving/", "tests/unit/client/",
    "tests/unit/serving/", "tests/unit/web/", "tests/benchmarks/serving",
    "tests/benchmarks/client.py", "tests/house/", "tests/conformance/",
    "tests/support/every_form.py", "tests/acceptance/test_redact.py",
)  # fmt: skip
"""Tests of the wire itself: they send what any program could send."""
PLAIN_HTTP = ("tests/cluster/platform_user.py",)
"""Plays a client that is not ours: it counts codes and broken connections under load."""
BAD = {
    "a path": 'answer = http.get("/v1/balance").json()',
    "a path with a name in it": 'api.send(f"/v1/models/{name}/versions")',
    "the client's own HTTP": "api._http.get(path)",
    "the module behind the client": "from mlplatform.client.json_http import JsonHttp",
}
GOOD = """
'''GET /v1/balance is named in a docstring.'''
from mlplatform.client.dataapi import DataApi
found = api.balance().outboxes
files = registry.http.get(url)
"""


def untyped(tree: ast.AST) -> list[int]:
    """Lines that go around the typed methods of the clients."""
    return [
        node.lineno for node in ast.walk(tree) if _path(node) or _private(node) or _transport(node)
    ]


def _path(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith("/v1/")


def _private(node: ast.AST) -> bool:
    """Another object's `_http`; a class may well have one of its own."""
    return isinstance(node, ast.Attribute) and node.attr == "_http" and _foreign(node.value)


def _transport(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "mlplatform.client.json_http"


def _foreign(owner: ast.expr) -> bool:
    return not (isinstance(owner, ast.Name) and owner.id == "self")


def test_only_clients_and_servers_know_routes() -> None:
    """Everybody else calls the typed methods of `DataApi` and `ServingClient`."""
    exempt = (*SERVERS, *WIRE_TESTS, *PLAIN_HTTP)
    found = [
        f"{name}:{line}"
        for folder in ("src", "tests")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not (name := file.relative_to(ROOT).as_posix()).startswith(exempt)
        for line in untyped(ast.parse(file.read_text()))
    ]

    assert [] == found


@pytest.mark.parametrize("what", BAD)
def test_the_detector_sees_what_is_untyped(what: str) -> None:
    """Each way around the typed methods is found."""
    assert [1] == untyped(ast.parse(BAD[what]))


def test_the_detector_leaves_typed_calls_alone() -> None:
    """Typed calls, words about routes and other servers' HTTP are no findings."""
    assert [] == untyped(ast.parse(GOOD))


def _routes() -> list[APIRoute]:
    return [
        route
        for subject in SUBJECTS
        for route in subject.router.routes
        if isinstance(route, APIRoute)
    ]


@pytest.mark.parametrize("route", _routes(), ids=lambda route: f"{route.path} {route.name}")
def test_routes_speak_in_contracts(route: APIRoute) -> None:
    """What a route takes as its body and what it answers are records of `mlplatform.contracts`."""
    shape = route.response_model
    shape = get_args(shape)[0] if get_origin(shape) is list else shape
    body = route.body_field.field_info.annotation if route.body_field else None
    modules = {kind.__module__ for kind in (shape, body) if kind is not None}

    assert len(_routes()) > 20
    assert all(module.startswith("mlplatform.contracts.") for module in modules), modules
