"""From a URL to a queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from mlplatform.errors import SettingsError
from mlplatform.queue.connect import bootstrap_servers, embedded_path
from mlplatform.queue.kafka_client import connection, request_bytes
from mlplatform.settings import QueueSettings


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/q.sqlite", Path("/var/lib/q.sqlite")),
        ("sqlite:///q.sqlite", Path("q.sqlite")),
        ("kafka://a:1", None),
    ],
)
def test_embedded_urls(url: str, path: Path | None) -> None:
    """What follows sqlite:/// is the path, absolute or not; a Kafka URL has none."""
    assert embedded_path(QueueSettings(url=url)) == path


@pytest.mark.parametrize("url", ["", "sqlite:///", "kafka://", "redis://x", "q.sqlite"])
def test_urls_of_no_queue(url: str) -> None:
    """Any other URL is refused with the name of the setting."""
    with pytest.raises(SettingsError, match="MLPLATFORM_QUEUE__URL"):
        embedded_path(QueueSettings(url=url))


def test_bootstrap_servers() -> None:
    """Brokers are listed with commas; IPv6 addresses keep their colons."""
    assert ["a:1", "[::1]:2"] == bootstrap_servers(QueueSettings(url="kafka://a:1,[::1]:2/"))


@pytest.mark.parametrize("url", ["kafka://a", "kafka://a:b", "kafka://:1", "kafka://a:1,,b:2"])
def test_broken_bootstrap_servers(url: str) -> None:
    """A broker without a host or a port is refused before any connection."""
    with pytest.raises(SettingsError, match="HOST:PORT"):
        bootstrap_servers(QueueSettings(url=url))


def test_sasl_needs_its_user() -> None:
    """SASL without a user or a password is refused by the name of what is missing."""
    settings = QueueSettings(
        url="kafka://a:1", security_protocol="SASL_SSL", sasl_mechanism="PLAIN", username="u"
    )
    with pytest.raises(SettingsError, match="MLPLATFORM_QUEUE__PASSWORD"):
        connection(["a:1"], settings)
    complete = connection(
        ["a:1"],
        settings.model_copy(update={"password": SecretStr("secret"), "ca_file": Path("ca.pem")}),
    )

    assert ("SASL_SSL", "PLAIN", "u", "secret", "ca.pem") == (
        complete["security_protocol"],
        complete["sasl_mechanism"],
        complete["sasl_plain_username"],
        complete["sasl_plain_password"],
        complete["ssl_cafile"],
    )


def test_plain_connections_name_no_secrets() -> None:
    """Without SASL no credentials are handed to the client."""
    assert not [
        name
        for name in connection(["a:1"], QueueSettings(url="kafka://a:1"))
        if "sasl" in name or "ssl" in name
    ]


def test_requests_hold_the_largest_record() -> None:
    """The request size has room for key and framing, and at least Kafka's own default."""
    assert 1_048_588 == request_bytes(QueueSettings(max_record_bytes=1024))
    assert request_bytes(QueueSettings(max_record_bytes=5_000_000)) > 5_000_000
