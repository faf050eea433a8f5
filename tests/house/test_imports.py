"""Importing is free of effects, and our own modules are imported at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mlplatform"
GUARD = """
import importlib, logging, pathlib, socket, sys
handlers = list(logging.getLogger().handlers)
def refuse(*_, **__): raise RuntimeError("a module did something at import")
socket.socket.connect = socket.socket.bind = refuse
pathlib.Path.mkdir = pathlib.Path.write_text = pathlib.Path.write_bytes = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
assert logging.getLogger().handlers == handlers, "a module configured logging"
"""


def _modules() -> list[str]:
    paths = [
        path
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts and path.name != "__main__.py"
    ]
    return [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(paths)
    ]


def test_importing_any_module_does_nothing() -> None:
    """No socket, no file, no logger: everything starts in main."""
    done = subprocess.run(
        [sys.executable, "-c", GUARD, *_modules()], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_own_modules_are_imported_at_the_top() -> None:
    """Lazy imports of our own code hide loops; the command line is lazy in one place, by name."""
    lazy = []
    for path in SOURCE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                lazy += [
                    f"{path.relative_to(ROOT)}:{node.lineno}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.ImportFrom)
                    and (node.module or "").startswith("mlplatform")
                ]

    assert [] == lazy


def test_only_the_ground_reads_the_environment() -> None:
    """Settings are loaded once: only settings, cli and local read `os.environ`."""
    readers = []
    for path in SOURCE.rglob("*.py"):
        inside = path.relative_to(SOURCE)
        if inside.parts[0] not in {"settings", "cli", "local"} and "os.environ" in path.read_text():
            readers.append(str(inside))

    assert [] == readers
