"""Snapshots of the registry: metadata and files as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlplatform.cli.connection import Home, local
from mlplatform.cli.output import AsJson, emit, quiet_logs

if TYPE_CHECKING:
    from mlplatform.local.state import State
    from mlplatform.settings import Settings

Snapshot = Annotated[str | None, typer.Argument(help="Name of a snapshot; empty: the latest.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what is in the registry, and the promotion record.")
]
AcceptDamaged = Annotated[
    bool,
    typer.Option(
        "--accept-damaged", help="Take what is good of a snapshot that holds damaged models."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Snapshots of the registry: create, verify, restore."
    )
    for command in (create, verify, restore):
        group.command(command.__name__)(command)
    app.add_typer(group, name="backup")


def create(*, home: Home = None, as_json: AsJson = False) -> None:
    """Take a snapshot of metadata and files, verify it, and remove old ones."""
    stack, settings = _where(home)
    if stack is not None:
        _as_the_stack_does(stack, "backup", ["create"], as_json=as_json)
        return
    from mlplatform.backup.main import create_snapshot

    path = create_snapshot(settings)
    _print(
        {"snapshot": path.name, "folder": str(path)},
        f"snapshot {path.name} was made and verified; it lies in {path.parent}",
        as_json,
    )


def verify(snapshot: Snapshot = None, *, home: Home = None, as_json: AsJson = False) -> None:
    """Compare every byte of a snapshot with what was written down when it was made."""
    stack, settings = _where(home)
    if stack is not None:
        _as_the_stack_does(
            stack, "backup", ["verify", *([snapshot] if snapshot else [])], as_json=as_json
        )
        return
    from mlplatform.backup.main import verify_snapshot

    path, index = verify_snapshot(settings, snapshot)
    found = {
        "snapshot": path.name,
        "files": len(index.files),
        "versions": len(index.versions),
        "damaged": list(index.damaged),
    }
    size = f"{len(index.files)} files, {len(index.versions)} versions"
    damaged = f"\nmodels that were damaged before it was made: {'; '.join(index.damaged)}"
    _print(
        found,
        f"{path.name} is as it was written: {size}{damaged}"
        if index.damaged
        else f"{path.name} is whole: {size}",
        as_json,
    )


def restore(
    snapshot: Snapshot = None,
    *,
    force: Force = False,
    accept_damaged: AcceptDamaged = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring the registry back to a snapshot.

    A registry that holds models is only replaced with --force.
    """
    stack, settings = _where(home)
    if stack is not None:
        flags = [*(["--force"] * force), *(["--accept-damaged"] * accept_damaged)]
        _as_the_stack_does(
            stack,
            "restore",
            ["restore", *([snapshot] if snapshot else []), *flags],
            as_json=as_json,
        )
        return
    from dataclasses import asdict

    from mlplatform.backup.main import restore_snapshot

    done = restore_snapshot(settings, snapshot, force=force, accept_damaged=accept_damaged)
    record = (
        "with the promotion record" if done.control else "the promotion record was left as it is"
    )
    text = f"{done.snapshot} is back: {done.files} files, {done.versions} versions, {record}"
    later = (
        f"\nthe record knows versions that are newer than the snapshot: {', '.join(done.later)}"
        if done.later
        else ""
    )
    _print(asdict(done), text + later, as_json)


def _where(home: Path | None) -> tuple[State | None, Settings]:
    """The local stack, unless the settings name the databases themselves (on a cluster, or in the child that `_as_the_stack_does` runs)."""
    from mlplatform import settings as knobs

    quiet_logs()
    settings = knobs.load()
    return (local(home) if settings.postgres.mlflow_dsn is None else None), settings


def _as_the_stack_does(stack: State, role: str, words: list[str], *, as_json: bool) -> None:
    """In a child with the environment that the stack wrote for that role: the database credentials stay out of this process."""
    import subprocess
    import sys

    from mlplatform.errors import Refused

    if not stack.running:
        raise Refused(
            f"the stack in {stack.home} is not running",
            field="--home",
            fix="start it with `mlplatform up`",
        )
    environment = json.loads((stack.home / "secrets" / f"{role}.json").read_text())
    argv = [sys.executable, "-m", "mlplatform", "backup", *words, *(["--json"] if as_json else [])]
    done = subprocess.run(argv, env=environment, cwd=stack.home, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _print(document: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        print(text)
