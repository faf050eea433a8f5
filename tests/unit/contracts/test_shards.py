"""Which raw server holds what."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts import shards
from mlplatform.contracts.shards import FIRST, ID_BLOCK, Held, Move, Segment

counts = st.integers(1, 6)


@given(st.integers(1, 200))
def test_names_and_numbers_agree(count: int) -> None:
    """The place of a server is that of its name, and ids of its block are its own."""
    found = shards.names(count)
    assert list(range(1, count + 1)) == [shards.number(name) for name in found]
    assert found[-1] == shards.of_id((count - 1) * ID_BLOCK + 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 4)), max_size=12), st.integers(0, 60))
def test_an_offset_lies_where_the_last_move_before_it_led(
    moves: list[tuple[int, int]], offset: int
) -> None:
    """Segments that begin at or before an offset decide, the latest of them, in any number."""
    ordered = sorted(moves, key=lambda move: move[0])  # a partition only goes on
    segments = [Segment("t", 0, at, shards.names(number)[-1]) for at, number in ordered]
    before = [each.shard for each in segments if each.from_offset <= offset]
    assert (before[-1] if before else FIRST) == shards.holder(segments, offset)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 4)), max_size=12))
def test_segments_in_turn_cover_the_partition_once(moves: list[tuple[int, int]]) -> None:
    """They begin at ascending offsets, and neighbours lie on different servers."""
    segments = [Segment("t", 0, at, shards.names(number)[-1]) for at, number in moves]
    found = shards.in_turn(segments)
    begins = [each.from_offset for each in found]
    assert sorted(set(begins)) == begins
    assert all(one.shard != other.shard for one, other in itertools.pairwise(found))


def test_the_server_with_the_latest_move_has_the_partition() -> None:
    """Of two that know it the later one counts, also when it moved back to an earlier one."""
    old = Held("raw", 10, moves=1, moved_to="raw-2")
    new = Held("raw-2", 10, moves=1)
    assert new == shards.current([old, new])
    back = [Held("raw", 30, moves=2), Held("raw-2", 30, moves=2, moved_to="raw")]
    assert back[0] == shards.current(back)
    assert old == shards.current([old])  # half done
    assert shards.current([]) is None


@given(st.lists(counts, min_size=1, max_size=40), counts)
def test_a_spread_is_even_with_the_fewest_moves(places: list[int], count: int) -> None:
    """At most one partition more than another, and only what must go goes."""
    servers = shards.names(count)
    present = {("t", part): servers[place % count] for part, place in enumerate(places)}
    moves = shards.spread(present, servers)
    after = present | {(move.topic, move.partition): move.target for move in moves}
    load = Counter(after.values())
    loads = [load[name] for name in servers]
    assert max(loads) - min(loads) <= 1
    assert all(present[move.topic, move.partition] == move.source for move in moves)
    least, more = divmod(len(places), count)
    before = sorted(Counter(present.values()).get(name, 0) for name in servers)
    wanted = sorted([least] * (count - more) + [least + 1] * more)
    assert sum(max(0, has - may) for has, may in zip(before, wanted, strict=True)) == len(moves)
    assert [] == shards.spread(after, servers)


def test_each_topic_is_spread_by_itself() -> None:
    """A server that is not in the settings keeps what it has: nobody could stop it there."""
    present = {("a", 0): "raw", ("a", 1): "raw", ("b", 0): "raw", ("b", 1): "raw-9"}
    assert [Move("a", 1, "raw", "raw-2")] == shards.spread(present, ["raw", "raw-2"])
