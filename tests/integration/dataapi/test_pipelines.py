"""Pipelines, progress of features, and leases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlplatform.errors import Forbidden, InvalidInput, Refused, UnknownName

DIGEST = "d" * 64


PERCENT = {"metric": "accuracy", "min": 95}


def test_a_definition_is_applied_by_admins_only(api: Any) -> None:
    """PUT records definition, commit and digest; others are refused.

    What makes no sense names its key.
    """
    found = api.call("trainer", "GET", "/v1/pipelines/manual-one")
    body = {"definition": found["definition"], "commit": "beef", "features_digest": "e" * 64}
    with pytest.raises(Forbidden, match="role admin"):
        api.call("trainer", "PUT", "/v1/pipelines/manual-one", json=body)
    with pytest.raises(InvalidInput, match="the definition is of 'manual-one'"):
        api.call("admin", "PUT", "/v1/pipelines/other-name", json=body)
    with pytest.raises(InvalidInput) as caught:
        api.call(
            "admin",
            "PUT",
            "/v1/pipelines/manual-one",
            json={**body, "definition": {**found["definition"], "rollout": "canary"}},
        )
    with pytest.raises(InvalidInput, match=r"definition: gates\.0\.min: \w+ can never be 95"):
        api.call(
            "admin",
            "PUT",
            "/v1/pipelines/manual-one",
            json={**body, "definition": {**found["definition"], "gates": [PERCENT]}},
        )
    changed = api.call("admin", "PUT", "/v1/pipelines/manual-one", json=body)

    assert "rollout" == caught.value.field
    assert ("beef", "e" * 64, "admin") == (
        changed["commit"],
        changed["features_digest"],
        changed["applied_by"],
    )
    assert ["auto-one", "manual-one"] == [
        item["name"] for item in api.call("reader", "GET", "/v1/pipelines")
    ]
    assert [] == api.call("stranger", "GET", "/v1/pipelines")
    with pytest.raises(Forbidden):
        api.call("predictor", "GET", "/v1/pipelines")
    with pytest.raises(UnknownName):
        api.call("reader", "GET", "/v1/pipelines/nobody")
    # The refusal for want of a role is gathered, so it may be written after the others.
    assert ["Forbidden", "InvalidInput", "InvalidInput", "InvalidInput", "ok", "ok"] == sorted(
        entry["outcome"] for entry in api.ledger(action="apply") if entry["subject"] != "auto-one"
    )


def test_features_are_ready_when_every_stored_request_is_passed(api: Any) -> None:
    """Ready turns with etl's progress; with `stored_before`, later requests don't count."""
    path = f"/v1/pipelines/manual-one/features/{DIGEST}"
    seen = [api.call("trainer", "GET", path)]
    api.send("manual-one", [{"width": 1}, {"width": None}])
    seen.append(api.call("trainer", "GET", path))
    api.featurise("manual-one")
    seen.append(api.call("trainer", "GET", path))
    moment = datetime.now(UTC).isoformat()
    api.send("manual-one", [{"width": 2}])
    seen.append(api.call("trainer", "GET", path))
    seen.append(api.call("trainer", "GET", path, params={"stored_before": moment}))

    assert [
        (False, 0, 0, 0),
        (False, 1, 0, 0),
        (True, 0, 1, 1),
        (False, 1, 1, 1),
        (True, 0, 1, 1),
    ] == [
        (item["ready"], item["waiting_requests"], item["featured"], item["quarantined"])
        for item in seen
    ]
    marks = [item["mark"] for item in seen]
    assert marks == sorted(marks)
    assert marks[2] > marks[1]
    with pytest.raises(UnknownName, match="never applied"):
        api.call("trainer", "GET", f"/v1/pipelines/manual-one/features/{'f' * 64}")


def test_a_failure_of_etl_is_shown_until_the_pipeline_is_applied_again(api: Any) -> None:
    """What keeps etl from a digest is passed on; applying again clears it, for another try."""
    with api.databases.connect("etl", "warehouse") as connection:
        connection.execute(
            "UPDATE control.feature_sets SET failure = 'no such commit' WHERE pipeline = "
            "'manual-one'"
        )
    before = api.call("trainer", "GET", f"/v1/pipelines/manual-one/features/{DIGEST}")
    api.apply("manual-one")
    after = api.call("trainer", "GET", f"/v1/pipelines/manual-one/features/{DIGEST}")

    assert (False, "no such commit", None) == (before["ready"], before["failure"], after["failure"])


def test_one_training_at_a_time(api: Any) -> None:
    """A lease is for one holder until it ends or is given back; its holder may take it again.

    A run is refused while it lasts.
    """
    path = "/v1/pipelines/manual-one/lease"
    first = api.call("trainer", "POST", path, json={"holder": "a", "ttl_s": 60})
    renewed = api.call("trainer", "POST", path, json={"holder": "a", "ttl_s": 120})
    with pytest.raises(Refused, match="being trained by 'a'"):
        api.call("trainer", "POST", path, json={"holder": "b", "ttl_s": 60})
    with pytest.raises(Refused, match="being trained by 'a'"):
        api.call("trainer", "POST", "/v1/pipelines/manual-one/runs", json={"reason": "test"})
    kept = api.call("trainer", "DELETE", path, params={"holder": "b"})
    released = api.call("trainer", "DELETE", path, params={"holder": "a"})
    second = api.call("trainer", "POST", path, json={"holder": "b", "ttl_s": 0.001})
    third = api.call("trainer", "POST", path, json={"holder": "c", "ttl_s": 60})

    assert first["expires_at"] < renewed["expires_at"]
    assert (False, True) == (kept["released"], released["released"])
    assert ("b", "c") == (second["holder"], third["holder"])
    with pytest.raises(Forbidden, match="role trainer"):
        api.call("reader", "POST", path, json={"holder": "d", "ttl_s": 60})
