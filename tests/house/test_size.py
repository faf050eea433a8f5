"""Files and functions stay small. The limits are ratchets: they only ever get tighter."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "pipelines").rglob("*.py"))
FILE_MEDIAN, FILE_MOST, FUNCTION_SHARE, FUNCTION_USUAL, FUNCTION_MOST = 150, 400, 0.85, 25, 60
BANNED = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"}


def _functions() -> list[tuple[str, int]]:
    return [
        (
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            (node.end_lineno or 0) - node.lineno + 1,
        )
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_files_are_small() -> None:
    """A typical file is one screen or three, none is a monster."""
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    too_long = {path: count for path, count in lines.items() if count > FILE_MOST}

    assert too_long == {}
    assert statistics.median(lines.values()) <= FILE_MEDIAN


def test_functions_are_small() -> None:
    """Most functions fit in 25 lines, none needs more than 60."""
    functions = _functions()
    too_long = [name for name, lines in functions if lines > FUNCTION_MOST]
    usual = sum(lines <= FUNCTION_USUAL for _, lines in functions) / len(functions)

    assert too_long == []
    assert usual >= FUNCTION_SHARE


def test_no_file_is_an_attic() -> None:
    """A file is named by its noun; utils, common, helpers, base and manager are none."""
    attics = [str(path.relative_to(ROOT)) for path in SOURCES if path.stem in BANNED]

    assert attics == []
