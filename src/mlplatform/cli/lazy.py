"""A command's module is imported when the command is called, or its own help is shown.

The overview that `mlplatform --help` prints needs only names and sentences. Importing every command
for it would take ten times as long, and an image for serving lacks what other commands import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class LazyCommand:
    """A command by its name, where it is, and what the overview says of it."""

    name: str
    module: str  # below mlplatform.cli; its `app` holds the command, or is the group of that name
    sentence: str  # with which the command's own help begins
    panel: str | None = None

    def load(self) -> Any:
        """The command itself. Imports its module."""
        group = get_group(import_module(f"mlplatform.cli.{self.module}").app)
        return group.commands.get(self.name, group)


def lazy_app(commands: Sequence[LazyCommand], **options: Any) -> typer.Typer:
    """An application of these commands. `options` are those of `typer.Typer`."""
    by_name = {command.name: command for command in commands}

    class LazyGroup(TyperGroup):
        """Lists the commands without importing them."""

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            """What a call goes through, and the overview doesn't. See `click.Group`."""
            name, listed, rest = super().resolve_command(ctx, args)
            return name, listed and by_name[str(name)].load(), rest

    app = typer.Typer(cls=LazyGroup, **options)
    for each in commands:
        app.command(each.name, help=each.sentence, rich_help_panel=each.panel)(_listed)
    return app


def _listed() -> None:
    """Stands for a command in the overview, and is never called."""


def component(name: str) -> Any:
    """The `main` module of a component, imported now.

    An image holds only what its own processes import, e.g. no psycopg beside serving.
    """
    return later(f"{name}.main")


def later(name: str) -> Any:
    """A module below `mlplatform`, imported now, and not by every command."""
    return import_module(f"mlplatform.{name}")
