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


def test_entries_of_earlier_versions_stay_readable(api: Any) -> None:
    """What admission refused was once entered as `knock`: such a row is shown as it was written."""
    with api.databases.connect("dataapi", "warehouse") as connection:
        connection.execute(
            "INSERT INTO control.ledger (caller, action, subject, outcome, detail)"
            " VALUES ('unknown', 'knock', 'dataapi', 'Unauthenticated', %s)",
            ('{"times": 3, "path": "/v1/ledger"}',),
        )
    api.raw("nobody", "GET", "/v1/balance", headers={"Authorization": ""})
    assert 1 == api.refused("Unauthenticated")
    new, old = api.call("admin", "GET", "/v1/ledger", params={"subject": "dataapi"})

    assert ("refused", 1) == (new["action"], new["detail"]["times"])
    assert ("knock", 3) == (old["action"], old["detail"]["times"])
    assert ("unknown", "Unauthenticated") == (old["caller"], old["outcome"])
