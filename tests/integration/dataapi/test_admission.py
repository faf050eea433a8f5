"""Admission: tokens, rate limits, and what is refused before a handler is called."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mlplatform.errors import Overloaded, Unauthenticated


def test_who_has_no_token_is_refused_and_noted(api: Any) -> None:
    """Every route but the open pages asks for a token.

    Refusals before a handler reach the ledger, gathered.
    """
    for path in ("/v1/datasets", "/v1/pipelines", "/v1/ledger", "/nonsense"):
        with pytest.raises(Unauthenticated):
            api.call("nobody", "GET", path)
    bare = api.raw("nobody", "GET", "/v1/balance", headers={"Authorization": ""})

    assert (401, "Bearer") == (bare.status_code, bare.headers["www-authenticate"])
    assert 5 == api.refused("Unauthenticated")


@pytest.mark.parametrize("tokens", [("admin", "nobody"), ("nobody", "admin"), ("admin", "admin")])
def test_two_authorization_headers_are_refused_and_noted(api: Any, tokens: tuple[str, ...]) -> None:
    """Whichever of them is known: a proxy in between may have looked at the other."""
    headers = [("Authorization", f"Bearer token-{token}") for token in tokens]
    answer = httpx.get(f"{api.url}/v1/pipelines", headers=headers)

    assert 401 == answer.status_code
    assert "there are 2 Authorization headers" == answer.json()["detail"]
    assert 1 == api.refused("Unauthenticated")


def test_head_is_answered_as_get_is(api: Any) -> None:
    """The same code and length, without the body."""
    head, got = (api.raw("reader", method, "/v1/pipelines") for method in ("HEAD", "GET"))

    assert (200, b"") == (head.status_code, head.content)
    assert got.headers["content-length"] == head.headers["content-length"]


def test_any_character_may_be_sent(api: Any) -> None:
    """NUL in a path, a name, a column or a holder is the caller's mistake.

    It is entered in the ledger, and requests after it are served.
    """
    for path in ("/x%00", "/y"):
        assert 401 == api.raw("nobody", "GET", path).status_code
    assert 2 == api.refused("Unauthenticated")
    asked = [
        "/v1/datasets/manual-one%00.training", "/v1/datasets/manual-one.labels?columns=%00",
        "/v1/receipts/%00",
        "/v1/ledger?subject=%00", "/v1/datasets/manual-one.requests%00",
    ]  # fmt: skip

    assert [422, 422, 422, 422, 404] == [
        api.raw("admin", "GET", path).status_code for path in asked
    ]
    assert (
        422 == api.raw("admin", "DELETE", "/v1/pipelines/manual-one/lease?holder=%00").status_code
    )
    assert "InvalidInput" == api.ledger(subject="manual-one\\u0000.training")[0]["outcome"]


def test_the_gathered_log_outlives_an_entry_that_can_not_be_written(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with one entry, those after it are written."""
    log = api.collaborators.gathered
    with monkeypatch.context() as broken:
        broken.setattr(log._audit, "write", lambda _: 1 / 0)
        log.note("unknown", "/x", Unauthenticated("no"))
        log.flush()
    log.note("unknown", "/y", Unauthenticated("no"))

    assert 1 == api.refused("Unauthenticated")


def test_a_caller_that_is_too_fast_is_told_when_to_come_again(
    databases: Any, tmp_path: Any, start: Any
) -> None:
    """Above the rate 429 with Retry-After, per caller: another one is not affected."""
    api = start(databases, tmp_path, rate_per_s=0.5, burst=3)
    for _ in range(3):
        api.call("reader", "GET", "/v1/pipelines")
    answer = api.raw("reader", "GET", "/v1/pipelines")
    with pytest.raises(Overloaded):
        api.call("reader", "GET", "/v1/pipelines")

    assert (429, "2") == (answer.status_code, answer.headers["retry-after"])
    assert 200 == api.raw("serving", "GET", "/v1/pipelines").status_code
