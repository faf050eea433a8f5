"""Files and functions stay small. The limits are ratchets: they only ever get tighter.

They are no aim in themselves. A fragment that is called once and whose name says nothing new
belongs into its caller, as long as that one stays readable.
"""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "pipelines").rglob("*.py"))
FILE_MEDIAN, FILE_MOST, FUNCTION_SHARE, FUNCTION_USUAL, FUNCTION_MOST = 75, 353, 0.99, 25, 40
ATTICS = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"}


def functions(text: str) -> dict[str, int]:
    """Lines of each function or method, decorators left out, by "line name"."""
    return {
        f"{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def is_attic(path: Path) -> bool:
    """Whether a file or one of its folders is named after nothing in particular."""
    return bool(ATTICS & {path.stem, *path.parts})


def _functions() -> dict[str, int]:
    return {
        f"{path.relative_to(ROOT)}:{name}": lines
        for path in SOURCES
        for name, lines in functions(path.read_text()).items()
    }


def test_files_are_small() -> None:
    """A typical file is one or two screens, none needs a table of contents."""
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}

    assert {} == {path: count for path, count in lines.items() if count > FILE_MOST}
    assert statistics.median(lines.values()) <= FILE_MEDIAN


def test_functions_are_small() -> None:
    """Nearly all functions are read at one glance."""
    found = _functions()
    unusual = {name: lines for name, lines in found.items() if lines > FUNCTION_USUAL}

    assert {} == {name: lines for name, lines in unusual.items() if lines > FUNCTION_MOST}
    assert 1 - len(unusual) / len(found) >= FUNCTION_SHARE


def test_no_file_is_an_attic() -> None:
    """A file is named by its noun, a step by its verb."""
    assert [] == [str(path) for path in SOURCES if is_attic(path.relative_to(ROOT))]


def test_functions_are_measured() -> None:
    """Methods and nested functions count as well."""
    text = "class A:\n    def b(self):\n        async def c():\n            ...\n        return c\n"

    assert {"2 b": 4, "3 c": 2} == functions(text)


@pytest.mark.parametrize("path", ["etl/utils.py", "common/text.py", "base.py"])
def test_an_attic_is_found(path: str) -> None:
    """By the name of the file or of a folder."""
    assert is_attic(Path(path))
    assert not is_attic(Path("database/baseline.py"))
