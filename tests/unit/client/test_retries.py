"""Calls that another try may help are repeated, others are not. Time is given by the tests."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import InvalidInput

RELEASED = {"released": True}


def _client(server: Callable[[httpx.Request], httpx.Response], slept: list[float]) -> DataApi:
    api = DataApi("http://dataapi", None, retry_s=45, sleep=slept.append)
    api._http.http = httpx.Client(base_url="http://dataapi", transport=httpx.MockTransport(server))
    return api


@pytest.mark.parametrize("status", [503, None])
def test_a_call_survives_a_data_api_that_is_away_for_a_moment(status: int | None) -> None:
    """Both a 503 and no answer at all are followed by another try."""
    calls: list[str] = []
    slept: list[float] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if len(calls) > 1:
            return httpx.Response(200, json=RELEASED)
        if status is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)

    with _client(server, slept) as api:
        assert api.release_lease("churn", "me")
    assert (["/v1/pipelines/churn/lease"] * 2, 1) == (calls, len(slept))


def test_a_refusal_is_not_tried_again() -> None:
    """An answer that another try can't change ends the call."""
    calls: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(400)

    with _client(server, []) as api, pytest.raises(InvalidInput):
        api.release_lease("churn", "me")

    assert 1 == len(calls)
