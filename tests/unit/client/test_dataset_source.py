"""The client's file over an HTTP body gives exact bytes, whatever the pieces."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.client.dataapi import DataApi, parameters
from mlplatform.client.dataset import FIRST_BYTE_S, _Source, read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import UnknownName


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


def test_a_dataset_may_be_sorted_for_minutes() -> None:
    """The first byte is waited for longer than any other answer; a connection is not."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404, json={"type": "urn:mlplatform:UnknownName", "detail": "no"})

    client = DataApi("http://data.test", None, timeout_s=7.0)
    client._http.http = httpx.Client(
        base_url="http://data.test", timeout=7.0, transport=httpx.MockTransport(answer)
    )
    with client, pytest.raises(UnknownName):
        read_dataset(client, "a.training", DatasetQuery())

    assert (7.0, FIRST_BYTE_S) == tuple(
        asked[0].extensions["timeout"][name] for name in ("connect", "read")
    )
