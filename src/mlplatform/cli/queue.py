"""The queue: how far it is stored, and giving that up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.contracts.queue_offsets import QueuePlace, QueueState
from mlplatform.errors import InvalidInput, Refused

Topic = Annotated[
    str | None, typer.Option("--topic", help="Name of the topic; empty: the only one there is.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it; without it nothing is changed.")]

app = typer.Typer(
    name="queue",
    no_args_is_help=True,
    help="The queue: show how far it is stored, or give that up after a loss.",
)


@app.command()
def show(*, home: Home = None, as_json: AsJson = False) -> None:
    """Show how far every partition of the queue is stored, and from which topic."""
    with connect(home).dataapi() as dataapi:
        state = dataapi.queue()
    _show(state, as_json=as_json)


@app.command()
def reset(
    *, topic: Topic = None, yes: Yes = False, home: Home = None, as_json: AsJson = False
) -> None:
    """Give up the stored offsets, after the queue was lost or made anew.

    The consumer then begins where the queue does, and outboxes send again what they still hold.
    Requests that are stored already are not stored twice; those that only the old queue held are
    lost, and the balance names their numbers.
    """
    with connect(home).dataapi() as dataapi:
        state = dataapi.queue()
        name = _topic(state.places, topic)
        if yes:
            state = dataapi.reset_queue(name)
    _show(
        state.model_copy(update={"places": [p for p in state.places if p.topic == name]}),
        as_json=as_json,
    )
    if not yes:
        raise Refused(
            "nothing was changed; a reset gives up the offsets above",
            field="--yes",
            fix="add --yes to do it",
        )
    print(f"given up; the consumer begins where the queue '{name}' does", file=sys.stderr)


def _topic(places: Sequence[QueuePlace], wanted: str | None) -> str:
    names = sorted({place.topic for place in places})
    if wanted in names:
        return wanted
    if wanted is None and len(names) == 1:
        return names[0]
    raise InvalidInput(
        f"nothing is stored of a topic '{wanted}'" if wanted else "which topic?",
        field="--topic",
        fix=f"one of {', '.join(names)}" if names else "there is nothing to reset",
    )


def _show(state: QueueState, *, as_json: bool) -> None:
    if as_json:
        emit(state)
        return
    rows = [(p.topic, p.partition, p.next_offset, p.topic_id or "-") for p in state.places]
    table(["topic", "partition", "next offset", "id of the topic"], rows)
    print(
        f"{state.perhaps_lost:,} requests were acknowledged by the queue and are not stored: "
        "lost, unless the queue or an outbox still holds them"
    )
    for why in sorted({place.refused for place in state.places if place.refused}):
        print(f"the consumer reads no further: {why}")
