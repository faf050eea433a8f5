"""The queue of a local stack: a file, a Kafka broker of its own, or one that runs elsewhere."""

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
    """The queue that the word of `--queue` names; `port` is for a broker of our own.

    May fetch and prepare one, which blocks. Raises SettingsError for an unknown word, or when this
    machine has no Java.
    """
    if word == "sqlite":
        return LocalQueue(f"sqlite:///{home / 'queue.sqlite'}")
    if word.startswith(("kafka://", "sqlite:///")):
        return LocalQueue(word)
    if word == "kafka":
        return _broker(home, port)
    raise SettingsError(
        f"'{word}' is not a queue",
        field="--queue",
        fix="sqlite, kafka, or kafka://HOST:PORT of a broker that runs",
    )


def refuse_another(before: str, word: str) -> None:
    """Raise Refused when a stack that ran on the queue `before` ("": unknown) is to use another.

    Its raw database holds offsets into the old queue. In another one the consumer would not find
    those records, and would stop.
    """
    if before not in ("", word):
        raise Refused(
            f"this stack's queue is '{before}', and its database holds positions in it;"
            f" '{word}' does not have these records",
            field="--queue",
            fix=f"--queue {before}; or another stack, with --home;"
            " or `mlplatform clean`, to begin anew",
        )


def _broker(home: Path, port: int) -> LocalQueue:
    java = kafka.find_java()
    own, parents = home / "kafka" / "lib", home.parent / "kafka" / "lib"
    # A demo lies below a home, and uses its jars.
    jars = parents if parents.exists() and not own.exists() else own
    kafka.fetch(jars)
    broker = kafka.LocalKafka(home / "kafka", java, jars=jars, port=port)
    broker.prepare()
    return LocalQueue(broker.url, (broker.spec(),))
