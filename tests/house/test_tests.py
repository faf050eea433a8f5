"""Tests keep their own rules."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def _tests() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{path.relative_to(TESTS)}:{node.lineno} {node.name}", node)
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]


def _can_fail(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.endswith("raises") or name.split(".")[-1].startswith(
                ("assert_", "expect", "check", "await_", "wait", "_check", "_expect")
            ):
                return True
    return False


def test_every_test_says_what_holds() -> None:
    """The docstring of a test is one sentence about the product."""
    silent = [name for name, node in _tests() if not ast.get_docstring(node)]

    assert silent == []


def test_every_test_can_fail() -> None:
    """A test without an assertion shows nothing."""
    toothless = [name for name, node in _tests() if not _can_fail(node)]

    assert toothless == []
