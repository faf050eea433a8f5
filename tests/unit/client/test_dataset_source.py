"""The client's file over an HTTP body gives exact bytes, whatever the pieces."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.client.dataset import _Source, parameters
from mlplatform.contracts.dataset import DatasetQuery


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(-1, 30)))
def test_reads_of_any_size_give_the_body_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    """Each read gives exactly its size until the body ends, and all of them together the body."""
    source, body = _Source(iter(pieces)), b"".join(pieces)
    for size in sizes:
        wanted = body if size < 0 else body[:size]
        assert wanted == source.read(size)
        body = body[len(wanted) :]


def test_a_query_becomes_parameters() -> None:
    """Columns are joined, times are ISO 8601, what is empty is left out."""
    query = DatasetQuery(columns=("a", "b"), since=datetime(2026, 1, 2, tzinfo=UTC), limit=3)

    assert {"columns": "a,b", "since": "2026-01-02T00:00:00Z", "limit": 3} == parameters(query)
