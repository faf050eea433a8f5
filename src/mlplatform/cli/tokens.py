"""Bearer tokens: make one and print it once."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from mlplatform.cli.output import AsJson, emit

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Bearer tokens.")
    group.command("new")(new)
    app.add_typer(group, name="tokens")


def new(
    name: Annotated[
        str, typer.Argument(help="Who will hold it; appears in logs, ledger and stored requests.")
    ],
    role: Annotated[
        list[str],
        typer.Option(
            "--role", "-r", help="predict, reader, writer, serving, trainer, approver or admin."
        ),
    ],
    pipeline: Annotated[
        list[str] | None,
        typer.Option("--pipeline", "-p", help="Only for these pipelines; empty: all."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a token, print it once, and print the entry for the servers' token file, which holds only its digest."""
    import yaml

    from mlplatform.access import Role, digest, new_token
    from mlplatform.errors import InvalidInput

    unknown = [word for word in role if word not in [str(known) for known in Role]]
    if unknown:
        raise InvalidInput(
            f"no role '{unknown[0]}'", field="--role", fix=f"one of {', '.join(Role)}"
        )
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"'{name}' is no name for a caller",
            field="NAME",
            fix="letters, digits, '.', '_' and '-', at most 64",
        )
    token = new_token()
    entry = (
        {"name": name, "roles": role}
        | ({"pipelines": pipeline} if pipeline else {})
        | {"sha256": digest(token)}
    )
    if as_json:
        emit({"token": token, "entry": entry})
        return
    print(
        f"token (shown only now):  {token}\n\nentry for the token file (key 'tokens'; servers read it at their start):\n"
    )
    print(yaml.safe_dump([entry], sort_keys=False), end="")
