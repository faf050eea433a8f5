"""Snapshots of the registry: metadata and files as one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlplatform import settings
from mlplatform.backup.main import create_snapshot, restore_snapshot, verify_snapshot
from mlplatform.cli import local_stack
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.cli.process import quiet_logs
from mlplatform.local import home_files

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

app = typer.Typer(
    name="backup", no_args_is_help=True, help="Snapshots of the registry: create, verify, restore."
)


@app.command()
def create(*, home: Home = None, as_json: AsJson = False) -> None:
    """Take a snapshot of metadata and files, verify it, and remove old ones."""
    loaded = _settings(home, "backup", ["create"], as_json=as_json)
    path = create_snapshot(loaded)
    _print(
        {"snapshot": path.name, "folder": str(path)},
        f"snapshot {path.name} was made and verified; it lies in {path.parent}",
        as_json=as_json,
    )


@app.command()
def verify(snapshot: Snapshot = None, *, home: Home = None, as_json: AsJson = False) -> None:
    """Compare every byte of a snapshot with what was written down when it was made."""
    words = ["verify", *([snapshot] if snapshot else [])]
    loaded = _settings(home, "backup", words, as_json=as_json)
    path, index = verify_snapshot(loaded, snapshot)
    files, versions = len(index.files), len(index.versions)
    found = {"snapshot": path.name, "files": files, "versions": versions}
    text = f"{path.name} is whole: {files} files, {versions} versions"
    if index.damaged:
        damaged = f"models that were damaged before it was made: {'; '.join(index.damaged)}"
        text = f"{path.name} is as it was written: {files} files, {versions} versions\n{damaged}"
    _print(found | {"damaged": list(index.damaged)}, text, as_json=as_json)


@app.command()
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
    flags = [*(["--force"] * force), *(["--accept-damaged"] * accept_damaged)]
    words = ["restore", *([snapshot] if snapshot else []), *flags]
    loaded = _settings(home, "restore", words, as_json=as_json)
    done = restore_snapshot(loaded, snapshot, force=force, accept_damaged=accept_damaged)
    record = "with the promotion record"
    if not done.control:
        record = "the promotion record was left as it is"
    text = f"{done.snapshot} is back: {done.files} files, {done.versions} versions, {record}"
    if done.later:
        later = ", ".join(done.later)
        text += f"\nthe record knows versions that are newer than the snapshot: {later}"
    _print(asdict(done), text, as_json=as_json)


def _settings(
    home: Path | None, role: str, words: list[str], *, as_json: bool
) -> settings.Settings:
    """The settings, when they name the databases: on a cluster, or in the child made here.

    Else the local stack is meant. A child with the environment that it wrote for that role does the
    work, so that the database credentials stay out of this process, which ends as the child does.
    """
    quiet_logs()
    loaded = settings.load()
    stack = local_stack.find(home) if loaded.postgres.mlflow_dsn is None else None
    if stack is None:
        return loaded
    local_stack.require_running(stack)
    path = stack.home / "secrets" / f"{role}.json"
    fix = "`mlplatform down`, remove it, and `mlplatform up` writes it again"
    environment = home_files.read(path, home_files.WORDS, fix=fix)
    if environment is None:
        raise home_files.damaged(path, "there is no such file", fix=fix)
    argv = [sys.executable, "-m", "mlplatform", "backup", *words, *(["--json"] if as_json else [])]
    done = subprocess.run(argv, env=environment, cwd=stack.home, check=False)
    raise typer.Exit(done.returncode)


def _print(document: Mapping[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        print(text)
