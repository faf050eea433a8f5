"""Errors at the edge and back."""

from __future__ import annotations

import json

import pytest

from mlplatform import errors
from mlplatform.web import problem

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.PlatformError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_wire(kind: type[errors.PlatformError]) -> None:
    """Class, message, field and fix are the same on the client's side."""
    sent = kind("went wrong", field="column", fix="mend it")
    back = problem.restore(json.loads(bytes(problem.response(sent).body)), problem.status(sent))

    assert (type(back), back.message, back.field, back.fix) == (
        kind,
        "went wrong",
        "column",
        "mend it",
    )


def test_try_later_says_when() -> None:
    """A refusal for now carries Retry-After in whole seconds, at least one."""
    answer = problem.response(errors.StandbyLagging("behind", retry_after_s=0.2))

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])


def test_foreign_answers_become_errors_too() -> None:
    """A page without a problem document still raises: Unavailable for 5xx, InvalidInput for 4xx."""
    assert isinstance(problem.restore(None, 502), errors.Unavailable)
    assert isinstance(problem.restore("no", 400), errors.InvalidInput)
