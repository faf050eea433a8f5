"""Tests keep their own rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CHECKS = ("assert_", "expect", "check", "await_", "wait", "_check", "_expect")
"""Beginnings of functions that assert for a test."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def written_in(text: str) -> Iterator[Function]:
    """The tests of a file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and node.name.startswith("test_"):
            yield node


def can_fail(test: Function) -> bool:
    """Whether a test asserts anything."""
    calls = [
        ast.unparse(node.func).split(".")[-1]
        for node in ast.walk(test)
        if isinstance(node, ast.Call)
    ]
    return any(isinstance(node, ast.Assert) for node in ast.walk(test)) or any(
        name == "raises" or name.startswith(CHECKS) for name in calls
    )


def reversed_comparisons(text: str) -> list[int]:
    """Lines of `assert actual == expected`, where what is expected is a literal."""
    return [
        test.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assert)
        for test in (node.test.values if isinstance(node.test, ast.BoolOp) else [node.test])
        if isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and len(test.ops) == 1
        and _is_literal(test.comparators[0])
        and not _is_literal(test.left)
    ]


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _files() -> Iterator[tuple[str, str]]:
    for path in sorted(TESTS.rglob("*.py")):
        yield str(path.relative_to(TESTS)), path.read_text()


def test_every_test_says_what_holds() -> None:
    """The docstring of a test is one sentence about the product."""
    silent = [
        f"{path}:{test.lineno}"
        for path, text in _files()
        for test in written_in(text)
        if not ast.get_docstring(test)
    ]

    assert [] == silent


def test_every_test_can_fail() -> None:
    """A test without an assertion shows nothing."""
    toothless = [
        f"{path}:{test.lineno}"
        for path, text in _files()
        for test in written_in(text)
        if not can_fail(test)
    ]

    assert [] == toothless


def test_assertions_read_the_same_way() -> None:
    """What is expected stands first: `expected == actual`."""
    found = [f"{path}:{line}" for path, text in _files() for line in reversed_comparisons(text)]

    assert [] == found


@pytest.mark.parametrize(
    "body",
    ["assert x", "with pytest.raises(ValueError): x", "scene.await_rows(1)", "expect_refusal(x)"],
)
def test_what_makes_a_test_fail_is_known(body: str) -> None:
    """Assertions, expected errors, and functions that check."""
    assert [True] == [can_fail(test) for test in written_in(f"def test_a():\n    {body}")]
    assert [False] == [can_fail(test) for test in written_in("async def test_a():\n    x.y(1)")]


@pytest.mark.parametrize(
    "line", ["assert x == 1", "assert f(x) == ['a', -1]", "assert x and y == {}"]
)
def test_a_reversed_comparison_is_found(line: str) -> None:
    """Where the right side is a literal and the left side is not."""
    assert [1] == reversed_comparisons(line)
    assert [] == reversed_comparisons("assert 1 == x; assert x == y; assert x != 1; assert 1 == 1")
