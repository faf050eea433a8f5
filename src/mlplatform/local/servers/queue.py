"""The queue of a local stack: a file, a Kafka broker that the stack runs itself, or one that runs elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlplatform.errors import Refused, SettingsError
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.servers import kafka


@dataclass(frozen=True)
class LocalQueue:
    """Where the queue is, and the processes that have to run for it."""

    url: str
    processes: tuple[ProcessSpec, ...] = ()


def queue_of(word: str, home: Path, *, port: int) -> LocalQueue:
    """The queue behind the word of `--queue`; `port` is for a broker of our own. May fetch and prepare one, which blocks.

    Raises SettingsError when the word means nothing or this machine has no Java.
    """
    if word == "sqlite":
        return LocalQueue(f"sqlite:///{home / 'queue.sqlite'}")
    if word.startswith(("kafka://", "sqlite:///")):
        return LocalQueue(word)
    if word == "kafka":
        return _broker(home, port)
    raise SettingsError(
        f"'{word}' is no queue",
        field="--queue",
        fix="sqlite, kafka, or kafka://HOST:PORT of a broker that runs",
    )


def refuse_another(before: str, word: str) -> None:
    """Raise Refused when a stack that has run on the queue `before` ("" is unknown) is to run on another.

    Its raw database holds offsets into the old one: in another the consumer would find those
    records gone, and stop.
    """
    if before not in ("", word):
        raise Refused(
            f"this stack's queue is '{before}', and its database knows how far it has read there; '{word}' would lack these records",
            field="--queue",
            fix=f"--queue {before}; or another stack, with --home; or `mlplatform clean`, to begin anew",
        )


def _broker(home: Path, port: int) -> LocalQueue:
    java = kafka.find_java()
    places = [
        home / "kafka" / "lib",
        home.parent / "kafka" / "lib",
    ]  # the second: a demo below a home uses the home's jars
    jars = next((place for place in places if place.exists()), places[0])
    kafka.fetch(jars)
    broker = kafka.LocalKafka(home / "kafka", java, jars=jars, port=port)
    broker.prepare()
    return LocalQueue(broker.url, (broker.spec(),))
