"""Bearer tokens: make one and print it once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer
import yaml

from mlplatform.access import Role, digest, new_token
from mlplatform.cli.options import AsJson
from mlplatform.cli.output import emit
from mlplatform.errors import InvalidInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Holder = Annotated[
    str, typer.Argument(help="Who will hold it; appears in logs, ledger and stored requests.")
]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        "-r",
        help="predict, reader, writer, serving, trainer, approver, auditor or admin.",
    ),
]
Pipelines = Annotated[
    list[str] | None, typer.Option("--pipeline", "-p", help="Only for these pipelines; empty: all.")
]

app = typer.Typer(name="tokens", no_args_is_help=True, help="Bearer tokens.")


@app.command()
def new(name: Holder, role: Roles, pipeline: Pipelines = None, *, as_json: AsJson = False) -> None:
    """Make a token, print it once, and print the entry for the servers' token file.

    The entry holds only the token's digest.
    """
    _refuse_nonsense(name, role)
    token = new_token()
    entry = {"name": name, "roles": role}
    if pipeline:
        entry["pipelines"] = pipeline
    entry["sha256"] = digest(token)
    if as_json:
        emit({"token": token, "entry": entry})
        return
    print(f"token (shown only now):  {token}\n")
    print("entry for the token file (key 'tokens'; servers read it at their start):\n")
    print(yaml.safe_dump([entry], sort_keys=False), end="")


def _refuse_nonsense(name: str, roles: Sequence[str]) -> None:
    given = [role for role in Role if role is not Role.RUN]  # that one comes with a lease
    unknown = [word for word in roles if word not in given]
    if unknown:
        raise InvalidInput(
            f"no role '{unknown[0]}'", field="--role", fix=f"one of {', '.join(given)}"
        )
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"'{name}' is not a name for a caller",
            field="NAME",
            fix="letters, digits, '.', '_' and '-', at most 64",
        )
