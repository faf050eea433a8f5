"""The ledger, read."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.errors import Forbidden


def test_the_ledger_is_for_admins(api: Any) -> None:
    """Admins read it, which is entered too; nobody can change it."""
    entries = api.call("admin", "GET", "/v1/ledger", params={"limit": 2})

    assert ["apply", "apply"] == [entry["action"] for entry in entries]
    assert ("admin", 2) == tuple(
        api.ledger(subject="ledger")[0][name] for name in ("caller", "rows")
    )
    with pytest.raises(Forbidden):
        api.call("reader", "GET", "/v1/ledger")
