"""What all records of the contracts have in common."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from pydantic import BaseModel, ValidationError

from mlplatform import contracts
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.lease import Lease, LeaseRequest

LEASE = {"pipeline": "churn", "holder": "me", "expires_at": "2026-01-01T00:00:00Z"}


def test_every_record_is_frozen() -> None:
    """Each pydantic class of the package stands on the one base, under a name of its own."""
    modules = [
        importlib.import_module(f"mlplatform.contracts.{each.name}")
        for each in pkgutil.iter_modules(contracts.__path__)
    ]
    found = [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        if kind.__module__ == module.__name__
    ]
    names = [kind.__name__ for kind in found]

    assert len(found) > 40
    assert [] == [kind for kind in found if not issubclass(kind, Frozen)]
    assert len(names) == len(set(names))


def test_a_record_can_not_be_changed() -> None:
    """Whoever got one may hand it on without a copy."""
    lease = Lease.model_validate(LEASE)

    with pytest.raises(ValidationError, match="frozen"):
        lease.holder = "you"


def test_a_request_with_an_unknown_field_is_refused() -> None:
    """A field that is misspelt must not be taken for one that was left out."""
    with pytest.raises(ValidationError, match="ttl"):
        LeaseRequest.model_validate({"holder": "me", "ttl_s": 1, "ttl": 1})


def test_an_answer_may_hold_more_than_its_reader_knows() -> None:
    """Servers are upgraded before their clients."""
    lease = Lease.model_validate(LEASE | {"a_later_field": 1})

    assert "me" == lease.holder
