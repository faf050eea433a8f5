"""Errors at the edge and back."""

from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI, Request

from mlplatform import errors
from mlplatform.web import error_responses, problem

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.PlatformError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_wire(kind: type[errors.PlatformError]) -> None:
    """Class, message, field and fix are the same on the client's side."""
    sent = kind("went wrong", field="column", fix="mend it")
    body = json.loads(bytes(error_responses.response(sent).body))
    back = problem.restore(body, problem.status(sent))

    assert (type(back), back.message, back.field, back.fix) == (
        kind,
        "went wrong",
        "column",
        "mend it",
    )


def test_try_later_says_when() -> None:
    """A refusal for now carries Retry-After in whole seconds, at least one."""
    answer = error_responses.response(errors.StandbyLagging("behind", retry_after_s=0.2))

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])


def test_a_request_that_may_be_recorded_is_named() -> None:
    """Its id is in the document and in the header that an answer has it in."""
    sent = errors.NotAcknowledged("late", request_id="7")
    answer = error_responses.response(sent)
    back = problem.restore(json.loads(bytes(answer.body)), 503)

    assert isinstance(back, errors.NotAcknowledged)
    assert ("7", "7") == (answer.headers["x-request-id"], back.request_id)


def test_foreign_answers_become_errors_too() -> None:
    """A page without a problem document still raises: Unavailable for 5xx, InvalidInput for 4xx."""
    assert isinstance(problem.restore(None, 502), errors.Unavailable)
    assert isinstance(problem.restore("no", 400), errors.InvalidInput)


def test_an_unexpected_error_closes_the_connection() -> None:
    """A client is told that its kept connection ends, and why."""
    app = FastAPI()
    error_responses.install(app)
    request = Request({"type": "http", "method": "GET", "path": "/broken", "headers": []})
    handler = app.exception_handlers[Exception]
    answer = asyncio.run(handler(request, KeyError("zone")))

    assert (500, "close") == (answer.status_code, answer.headers["connection"])
    assert "KeyError" == json.loads(bytes(answer.body))["detail"]
