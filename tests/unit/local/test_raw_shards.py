"""How many raw servers a stack has, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.errors import Refused
from mlplatform.local import raw_shards
from mlplatform.local.ports import DEFAULTS


def test_a_stack_keeps_its_servers(tmp_path: Path) -> None:
    """Without a number there are as many as before, by the note or by the folders; at least one."""
    assert 1 == raw_shards.count(tmp_path, None, before=1)
    assert 2 == raw_shards.count(tmp_path, None, before=2)
    (tmp_path / "postgres-raw-3").mkdir()
    assert 3 == raw_shards.count(tmp_path, None, before=1)


def test_servers_are_added_and_never_taken_away(tmp_path: Path) -> None:
    """More is fine; fewer is refused, with the number that there must be."""
    assert 4 == raw_shards.count(tmp_path, 4, before=2)
    with pytest.raises(Refused, match="has 2 raw servers") as refused:
        raw_shards.count(tmp_path, 1, before=2)
    assert "ask for 2 or more" in refused.value.fix


def test_ports_stay_and_differ() -> None:
    """A stack of one server has the usual ports; further servers have ports of their own."""
    assert dict(DEFAULTS) == raw_shards.ports(1, {})
    found = raw_shards.ports(4, {"primary": 7, "standby-raw-2": 8})
    assert (7, 8) == (found["primary"], found["standby-raw-2"])
    assert len(found) == len(set(found.values()))
    assert {"primary-raw-4", "standby-raw-4", "consumer-raw-4"} <= found.keys()
