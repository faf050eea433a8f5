"""How our Kafka clients are set up: connection, security, topic."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import kafka
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.net.compat import KafkaNetClient

from mlplatform.errors import PlatformError, SettingsError, Unavailable
from mlplatform.settings import QueueSettings, require, variable
from mlplatform.telemetry import logger

# A broker that doesn't answer for longer counts as away; callers back off and try again.
CONNECT_MS = 5_000
REQUEST_MS = 10_000
_RECORD_OVERHEAD = 16 * 1024  # key, headers and batch framing beside the value of one record
_KAFKA_DEFAULT_RECORD = 1_048_588
_HOUR_MS = 3_600_000
_REFUSALS = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    ssl.SSLCertVerificationError,
)
"""What no retry heals."""


def connection(servers: list[str], settings: QueueSettings) -> dict[str, Any]:
    """Arguments that every client shares.

    Raises SettingsError for a mechanism without its user or password.
    """
    found: dict[str, Any] = {
        "bootstrap_servers": servers,
        "client_id": "mlplatform",
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": REQUEST_MS,
        "bootstrap_timeout_ms": CONNECT_MS,
        "reconnect_backoff_max_ms": 2_000,
    }
    if "SSL" in settings.security_protocol and settings.ca_file:
        found["ssl_cafile"] = str(settings.ca_file)
    if "SASL" in settings.security_protocol:
        found["sasl_mechanism"] = require(settings.sasl_mechanism, "queue", "sasl_mechanism")
        found["sasl_plain_username"] = require(settings.username, "queue", "username")
        found["sasl_plain_password"] = require(
            settings.password, "queue", "password"
        ).get_secret_value()
    return found


def connect(kind: Callable[..., Any], **configs: Any) -> Any:
    """Make a client of that kind.

    When it can't reach a broker its thread and sockets are ended, which its constructor forgets to
    do.
    """
    made: list[Any] = []

    def network(**more: Any) -> Any:
        made.append(KafkaNetClient(**more))
        return made[-1]

    with _causes() as causes:
        try:
            return kind(kafka_client=network, **configs)
        except BaseException as error:
            for client in made:
                client.close()
            if isinstance(error, kafka_errors.KafkaTimeoutError) and causes:
                raise _worst(causes, configs.get("security_protocol", "")) from error
            raise


def _worst(causes: list[Exception], protocol: str) -> Exception:
    """The cause to report: a refusal if there was one, else the latest that is not a timeout."""
    for cause in causes:
        for error in (cause, cause.__context__):  # a failed TLS handshake is wrapped
            if isinstance(error, _REFUSALS):
                return cast("Exception", error)
    if "SASL" in protocol and any("disconnected" in str(cause) for cause in causes):
        # The broker answers and hangs up at once, and kafka-python may see only the end.
        return cast(
            "Exception",
            kafka_errors.KafkaConnectionError(
                "the broker hangs up, as it does for a wrong user or password"
            ),
        )
    return next(
        (
            cause
            for cause in reversed(causes)
            if not isinstance(cause, kafka_errors.RequestTimedOutError)
        ),
        causes[-1],
    )


@contextmanager
def _causes() -> Iterator[list[Exception]]:
    """Why connections fail, oldest first.

    kafka-python writes that to its log alone, and raises a timeout. The log is kept quiet.
    """
    found: list[Exception] = []

    def note(record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        errors = [each for each in arguments if isinstance(each, Exception)]
        found.extend(e for e in errors if not isinstance(e, kafka_errors.KafkaTimeoutError))
        return False

    # Several lines a second while a broker is away; our callers log each back-off.
    logging.getLogger("kafka.net").setLevel(logging.CRITICAL)
    log = logging.getLogger("kafka.net.manager")
    log.setLevel(logging.WARNING)
    log.addFilter(note)
    try:
        yield found
    finally:
        log.removeFilter(note)
        log.setLevel(logging.CRITICAL)


def request_bytes(settings: QueueSettings) -> int:
    """Largest request that holds one record of the largest size; topic and consumer take it too."""
    return max(_KAFKA_DEFAULT_RECORD, settings.max_record_bytes + _RECORD_OVERHEAD)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Kafka's errors as ours: refusals that no retry heals differ from a broker that is away."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise SettingsError(
            f"the broker's certificate is not trusted: {error.verify_message}",
            field=variable("queue", "ca_file"),
            fix="give the CA that signed it, and the name that it is for",
        ) from error
    except _REFUSALS as error:
        raise SettingsError(
            f"Kafka refuses to {what}: {error}",
            field=variable("queue", "username"),
            fix="check the user and its rights",
        ) from error
    except kafka_errors.KafkaError as error:
        raise Unavailable(
            f"Kafka could not {what}: {error or type(error).__name__}", retry_after_s=1.0
        ) from error
    except OSError as error:
        raise Unavailable(f"Kafka could not {what}: {error}", retry_after_s=1.0) from error


def ensure_kafka_topic(servers: list[str], settings: QueueSettings) -> None:
    """Make the topic with explicit retention and copies.

    One that exists is left as it is; a shorter retention is warned about.
    """
    with translated("make the topic"):
        admin = connect(kafka.KafkaAdminClient, **connection(servers, settings))
        try:
            try:
                admin.create_topics({settings.topic: _topic(settings)}, wait_for_metadata=True)
            except kafka_errors.TopicAlreadyExistsError:
                _warn_of_retention(admin, settings)
            except kafka_errors.InvalidReplicationFactorError as error:
                raise _too_few_brokers(settings) from error
        finally:
            admin.close()


def _topic(settings: QueueSettings) -> dict[str, Any]:
    if settings.min_insync_replicas > settings.replication_factor:
        raise SettingsError(
            f"{settings.min_insync_replicas} copies can't be in sync "
            f"of {settings.replication_factor}",
            field=variable("queue", "min_insync_replicas"),
        )
    return {
        "num_partitions": settings.partitions,
        "replication_factor": settings.replication_factor,
        "configs": {
            "cleanup.policy": "delete",
            "retention.ms": str(settings.retention_h * _HOUR_MS),
            # Only time may remove records: a size limit would lose them earlier than promised.
            "retention.bytes": "-1",
            "min.insync.replicas": str(settings.min_insync_replicas),
            # A replica that lacks acknowledged records must not lead, even while no other is up.
            "unclean.leader.election.enable": "false",
            "max.message.bytes": str(request_bytes(settings)),
        },
    }


def _too_few_brokers(settings: QueueSettings) -> PlatformError:
    # Not a SettingsError: while a cluster starts this is so for a moment.
    return Unavailable(
        f"Kafka has fewer brokers than the {settings.replication_factor} copies asked for",
        field=variable("queue", "replication_factor"),
        fix="wait for the other brokers, or ask for fewer copies",
    )


def _warn_of_retention(admin: kafka.KafkaAdminClient, settings: QueueSettings) -> None:
    found = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, settings.topic)], config_filter="all"
    )
    for configs in found.get("topic", {}).values():
        # An answer without configs is how kafka-python shows a refusal.
        if "retention.ms" not in configs:
            logger("queue").warning(
                "the topic's retention can't be read: this user lacks DescribeConfigs",
                topic=settings.topic,
            )
            continue
        retention = int(configs["retention.ms"]["value"])
        if 0 <= retention < settings.retention_h * _HOUR_MS:
            logger("queue").warning(
                "topic keeps records for less than asked",
                topic=settings.topic,
                hours=retention / _HOUR_MS,
                asked=settings.retention_h,
            )


def known_topic_id(client: Any, topic: str) -> str | None:
    """The topic's own id, as this consumer knows it; brokers before 2.8 have none."""
    found = client._cluster.topic_id(topic)  # noqa: SLF001  (kafka-python has no public way)
    return None if found is None or not found.int else str(found)


def require_same_topic(client: Any, topic: str, bound: str | None) -> None:
    """Raises KafkaError for a topic that was made anew under a running consumer.

    The next poll connects again, and the stored offsets decide then.
    """
    now = known_topic_id(client, topic)
    if bound and now and now != bound:
        raise kafka_errors.UnknownTopicOrPartitionError(f"the topic's id was {bound} and is {now}")


def answers(server: str) -> bool:
    """True when the broker at HOST:PORT answers a client's first requests.

    Blocks for a second or two at most.
    """
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
        client = connect(
            kafka.KafkaAdminClient,
            bootstrap_servers=[server],
            bootstrap_timeout_ms=1_000,
            request_timeout_ms=1_000,
        )
    except (kafka_errors.RetriableError, OSError):  # not up yet
        return False
    try:
        return bool(client.describe_cluster().get("brokers"))
    except kafka_errors.RetriableError:
        return False
    finally:
        client.close()
