"""From the setting `queue.url` to a queue."""

from __future__ import annotations

from pathlib import Path

from mlplatform.errors import SettingsError
from mlplatform.queue.embedded import EmbeddedConsumer, EmbeddedProducer, make_topic
from mlplatform.queue.interface import Bind, Consumer, Positions, Producer, bound_to_nothing
from mlplatform.queue.kafka import KafkaConsumer
from mlplatform.queue.kafka_client import ensure_kafka_topic
from mlplatform.queue.kafka_producer import KafkaProducer
from mlplatform.settings import AuditSettings, QueueSettings, require, variable

_SQLITE = "sqlite:///"
_KAFKA = "kafka://"


def open_producer(settings: QueueSettings) -> Producer:
    """A producer for the topic of the settings. May raise Unavailable."""
    path = embedded_path(settings)
    return (
        EmbeddedProducer(path, settings)
        if path
        else KafkaProducer(bootstrap_servers(settings), settings)
    )


def open_consumer(
    settings: QueueSettings, *, positions: Positions, bind: Bind = bound_to_nothing
) -> Consumer:
    """A member of the settings' group. May raise Unavailable."""
    path = embedded_path(settings)
    if path:
        return EmbeddedConsumer(path, settings, positions=positions, bind=bind)
    return KafkaConsumer(bootstrap_servers(settings), settings, positions=positions, bind=bind)


def checkpoint_queue(queue: QueueSettings, audit: AuditSettings) -> QueueSettings:
    """The same queue with the topic of checkpoints: one partition, kept for years."""
    changes = {
        "topic": f"{queue.topic[:180]}-checkpoints",
        "group": f"{queue.group}.checkpoints",
        "partitions": 1,
        "retention_h": audit.retention_h,
    }
    return queue.model_copy(update=changes)


def ensure_topic(settings: QueueSettings) -> None:
    """Make the topic if it is missing; one that exists is left as it is. May raise Unavailable."""
    path = embedded_path(settings)
    if path:
        make_topic(path, settings)
    else:
        ensure_kafka_topic(bootstrap_servers(settings), settings)


def embedded_path(settings: QueueSettings) -> Path | None:
    """File of the embedded queue; None for Kafka.

    An absolute path has four slashes: sqlite:////var/lib/queue.sqlite.
    """
    url = str(require(settings.url, "queue", "url"))
    if url.startswith(_SQLITE) and url != _SQLITE:
        return Path(url.removeprefix(_SQLITE))
    if url.startswith(_KAFKA) and url != _KAFKA:
        return None
    raise SettingsError(
        f"{url!r} is not a queue",
        field=variable("queue", "url"),
        fix="sqlite:///PATH or kafka://HOST:PORT[,HOST:PORT]",
    )


def bootstrap_servers(settings: QueueSettings) -> list[str]:
    """HOST:PORT of each broker in a kafka:// URL."""
    servers = settings.url.removeprefix(_KAFKA).rstrip("/").split(",")
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(
                f"{server!r} is not HOST:PORT",
                field=variable("queue", "url"),
                fix="kafka://HOST:PORT[,HOST:PORT]",
            )
    return servers
