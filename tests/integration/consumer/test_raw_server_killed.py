"""One of two raw servers is killed under load: its own partitions wait, the others do not."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from delivery import DEADLINE_S
from more_raw import RawServers
from several_consumers import Servers

from mlplatform.settings import QueueSettings

LAG_S = 5.0


@pytest.fixture
def servers(
    embedded_queue: QueueSettings, databases: Any, throwaway: Any, tmp_path: Path
) -> Iterator[Servers]:
    """The second one is a cluster of its own, which may be broken."""
    with throwaway.superuser("raw") as connection:
        connection.execute("UPDATE raw.shard SET name = 'raw-2'")
    second = replace(databases, cluster=throwaway, raw="raw", warehouse="warehouse")
    found = Servers(RawServers({"raw": databases, "raw-2": second}), embedded_queue, tmp_path)
    yield found
    found.close()


def test_the_others_go_on_and_nothing_is_lost(servers: Servers, throwaway: Any) -> None:
    """While its primary is away the other partitions' records are stored within seconds.

    When it is back all is stored, each record once.
    """
    servers.start()
    servers.send(150)
    servers.await_rows(150)
    servers.spread()
    (away,) = servers.of("raw-2")
    throwaway.supervisor.stop("postgres-primary")
    sent = 150
    for _ in itertools.repeat(None, 6):
        numbers = range(sent + 1, sent + 31)
        servers.send(30)
        sent += 30
        expected = {n for n in numbers if zlib.crc32(f"box/{n}".encode()) % 3 != away}
        began = time.monotonic()
        while not expected <= _here(servers):
            assert time.monotonic() - began < LAG_S, "the others' partitions are held up"
            time.sleep(0.05)
    throwaway.supervisor.start("postgres-primary")
    deadline = time.monotonic() + DEADLINE_S
    while len(servers.stored()) < sent:
        assert time.monotonic() < deadline, servers.scenes["raw-2"].logs()
        time.sleep(0.1)

    assert list(range(1, sent + 1)) == servers.stored()


def _here(servers: Servers) -> set[int]:
    return set(servers.scenes["raw"].stored())
