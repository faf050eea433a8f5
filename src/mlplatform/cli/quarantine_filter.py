"""Options that say which entries of the quarantine, or dead letters, a command is about."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

import typer

from mlplatform.contracts.dead_letters import LetterKind
from mlplatform.contracts.quarantine import QuarantineKind, StateFilter
from mlplatform.errors import InvalidInput
from mlplatform.features.moment import moment

Wanted = Mapping[str, Any]
"""Fields of a filter, None where nothing is restricted."""

_OPTIONS: Mapping[str, Any] = {
    "reason": Annotated[
        str | None,
        typer.Option("--reason", help="Only reasons that hold this text; … stands for anything."),
    ],
    "kind": Annotated[
        QuarantineKind | None,
        typer.Option("--kind", help="Only rows, records of imports, or labels."),
    ],
    "letter": Annotated[
        LetterKind | None, typer.Option("--kind", help="Only dead letters of this kind.")
    ],
    "of": Annotated[
        str | None,
        typer.Option("--pipeline", "-p", help="Only of this pipeline, as the record says."),
    ],
    "outbox_id": Annotated[
        str | None, typer.Option("--outbox", help="Only of the outbox with this id.")
    ],
    "column": Annotated[str | None, typer.Option("--column", help="Only faults of this column.")],
    "request_id": Annotated[
        str | None, typer.Option("--request", help="Only what has this request id.")
    ],
    "since": Annotated[
        str | None,
        typer.Option("--since", help="From this time on: ISO 8601, UTC unless it says otherwise."),
    ],
    "until": Annotated[str | None, typer.Option("--until", help="Before this time.")],
    "state": Annotated[
        StateFilter | None, typer.Option("--state", help="Which ones; empty: open.")
    ],
}


def filtered(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add these options to a command, which gets them together as `wanted`.

    Several commands take the same ones, and Typer knows no other way to write them once.
    """

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "wanted"]

        @wraps(command)
        def run(*arguments: Any, **options: Any) -> None:
            wanted = {name: options.pop(name, None) for name in names}
            command(*arguments, wanted=_typed(wanted), **options)

        whole = signature.replace(parameters=[*own, *map(_parameter, names)])
        run.__signature__ = whole  # type: ignore[attr-defined]
        return run

    return extend


def _parameter(name: str) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=_OPTIONS[name])


_FIELDS = {"letter": "kind", "of": "pipeline"}
"""Options that are another field in the filter of dead letters."""


def _typed(options: dict[str, Any]) -> dict[str, Any]:
    wanted = {_FIELDS.get(name, name): value for name, value in options.items()}
    times = {"since", "until"} & wanted.keys()
    return wanted | {name: _time(wanted[name], f"--{name}") for name in times}


def _time(text: str | None, field: str) -> datetime | None:
    found = None if text is None else moment(text)
    if isinstance(found, str):
        raise InvalidInput(found, field=field, fix="write it as 2026-01-31T12:00:00Z")
    return found
