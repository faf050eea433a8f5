"""The local Kafka broker: what it is fetched from."""

from __future__ import annotations

from mlplatform.local.servers import kafka


def test_a_checkout_says_which_kafka_is_fetched() -> None:
    """The list of jars stands where the fetch looks for it."""
    assert kafka.POM.is_file()
