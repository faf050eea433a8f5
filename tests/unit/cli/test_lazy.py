"""Commands are imported when they are called."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from mlplatform.cli.lazy import LazyCommand, lazy_app

COMMANDS = (
    LazyCommand("tokens", "tokens", "Bearer tokens."),
    LazyCommand("example", "example", "Print rows."),
    LazyCommand("broken", "no_such_module", "Is never imported."),
)


@pytest.fixture(autouse=True)
def nothing_imported() -> Iterator[None]:
    """The commands' modules are away before, and as they were afterwards."""
    names = [f"mlplatform.cli.{command.module}" for command in COMMANDS]
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield
    sys.modules.update(before)


def run(*words: str) -> Result:
    """Run the command line of these commands."""
    return CliRunner().invoke(lazy_app(COMMANDS, no_args_is_help=True), words)


def test_the_overview_imports_no_command() -> None:
    """It shows the sentences, also of a command that could not be imported."""
    shown = run("--help").output

    assert "Is never imported." in shown
    assert "mlplatform.cli.tokens" not in sys.modules


def test_a_call_imports_its_module_only() -> None:
    """Of a module with one command, and of one that is a group of its own."""
    assert "--live" in run("example", "--help").output
    assert "mlplatform.cli.tokens" not in sys.modules
    assert "--role" in run("tokens", "new", "--help").output


def test_an_unknown_command_suggests_one() -> None:
    """A typo is answered with what may be meant, and nothing is imported."""
    ended = run("exampel")

    assert 2 == ended.exit_code
    assert "Did you mean 'example'?" in " ".join(ended.output.split())
    assert "mlplatform.cli.example" not in sys.modules
