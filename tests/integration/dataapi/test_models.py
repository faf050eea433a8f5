"""Versions and promotions: one state machine, one champion, one record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import Forbidden, InvalidInput, PlatformError, Refused, UnknownName

GATES = "9" * 64


@pytest.fixture
def receipts(api: Any) -> dict[str, str]:
    """A receipt of an (empty) training dataset per pipeline."""
    found = {}
    for name in ("manual-one", "auto-one"):
        api.featurise(name)
        with api.client("trainer") as client:
            found[name] = read_dataset(client, f"{name}.training", DatasetQuery()).receipt.id
    return found


def facts(version: str, receipt: str, **changes: Any) -> dict[str, Any]:
    """What a trainer says of a version."""
    return {
        "version": version,
        "run_id": f"run-{version}",
        "artifacts": f"1/run-{version}/artifacts/model",
        "manifest_sha256": version.zfill(64),
        "features_digest": "d" * 64,
        "commit": "c0ffee",
        "format": "onnx",
        "receipt_id": receipt,
        "metrics": {"accuracy": 0.9},
        **changes,
    }


def verified(api: Any, name: str, receipt: str, *versions: str) -> None:
    """Register and verify versions."""
    for version in versions:
        api.call("trainer", "POST", f"/v1/models/{name}/versions", json=facts(version, receipt))
        api.call(
            "trainer",
            "POST",
            f"/v1/models/{name}/versions/{version}/verified",
            json={"manifest_sha256": version.zfill(64)},
        )


def act(api: Any, caller: str, name: str, action: str, version: str | None = None) -> Any:
    """One step; proposals carry the gate report's digest and the present champion."""
    body = {"action": action, "version": version, "why": "test"}
    if action == "propose":
        body |= {"gate_digest": GATES, "champion": status(api, name)[0]}
    return api.call(caller, "POST", f"/v1/models/{name}/promotions", json=body)


def status(api: Any, name: str) -> tuple[Any, ...]:
    """Champion, candidate and previous by number."""
    found = api.call("serving", "GET", f"/v1/models/{name}")
    return tuple(
        found[key] and found[key]["version"] for key in ("champion", "candidate", "previous")
    )


def test_a_version_goes_from_registered_to_champion_and_back(api: Any, receipts: Any) -> None:
    """Register, verify, propose, approve; a second one promoted.

    A rollback brings the first one back; the record holds it all.
    """
    verified(api, "manual-one", receipts["manual-one"], "1", "2")
    seen = [status(api, "manual-one")]
    for caller, action, version in [
        ("trainer", "propose", "1"),
        ("approver", "approve", "1"),
        ("trainer", "propose", "2"),
        ("approver", "promote", "2"),
        ("approver", "rollback", None),
    ]:
        act(api, caller, "manual-one", action, version)
        seen.append(status(api, "manual-one"))
    record = api.call("reader", "GET", "/v1/models/manual-one/promotions")

    assert [
        (None, None, None), (None, "1", None), ("1", None, None), ("1", "2", None),
        ("2", None, "1"), ("1", None, None),
    ] == seen  # fmt: skip
    assert [
        ("rollback", "1", "2"),
        ("promote", "2", "1"),
        ("propose", "2", "1"),
        ("approve", "1", None),
        ("propose", "1", None),
    ] == [(entry["action"], entry["version"], entry["previous"]) for entry in record]
    assert record[0]["id"] == api.call("serving", "GET", "/v1/models/manual-one")["record"]
    assert ["champion", "retired"] == [
        item["state"] for item in api.call("reader", "GET", "/v1/models/manual-one/versions")
    ]


def test_auto_approval_promotes_what_is_proposed(api: Any, receipts: Any) -> None:
    """With `approval: auto` a proposal becomes champion at once, also when it is sent twice."""
    verified(api, "auto-one", receipts["auto-one"], "1")
    done = act(api, "trainer", "auto-one", "propose", "1")
    again = act(api, "trainer", "auto-one", "propose", "1")

    assert ("promote", "champion", "pipeline:auto") == (done["action"], done["state"], done["by"])
    assert done == again
    assert ("1", None, None) == status(api, "auto-one")
    assert ["pipeline:auto", "trainer", "trainer"] == [
        entry["caller"]
        for entry in api.ledger(subject="auto-one")
        if entry["action"] in ("propose", "promote")
    ]


def test_a_proposal_counts_only_against_the_champion_it_was_compared_with(
    api: Any, receipts: Any
) -> None:
    """Of two runs that met the same champion the later one is refused, and so is one that met none.

    Repeating the first is no error.
    """
    verified(api, "auto-one", receipts["auto-one"], "1", "2", "3")
    path, body = (
        "/v1/models/auto-one/promotions",
        {"action": "propose", "why": "test", "gate_digest": GATES},
    )
    act(api, "trainer", "auto-one", "propose", "1")
    first = api.call("trainer", "POST", path, json=body | {"version": "2", "champion": "1"})
    with pytest.raises(Refused, match="compared with version 1, and the champion is version 2 now"):
        api.call("trainer", "POST", path, json=body | {"version": "3", "champion": "1"})
    with pytest.raises(Refused, match="compared with none"):
        api.call("trainer", "POST", path, json=body | {"version": "3"})

    assert first == api.call("trainer", "POST", path, json=body | {"version": "2", "champion": "1"})
    assert ("2", None, "1") == status(api, "auto-one")


def test_the_longest_reason_is_promoted_at_once(api: Any, receipts: Any) -> None:
    """The entry of the promotion adds who proposed to a reason that is as long as it may be."""
    verified(api, "auto-one", receipts["auto-one"], "1")
    body = {"action": "propose", "version": "1", "why": "x" * 2_000, "gate_digest": GATES}
    done = api.call("trainer", "POST", "/v1/models/auto-one/promotions", json=body)

    assert ("promote", "champion") == (done["action"], done["state"])
    assert "approval is auto; proposed by trainer: " + "x" * 2_000 == done["why"]


def test_what_was_judged_by_another_definition_waits_for_a_person(api: Any, receipts: Any) -> None:
    """A version of an earlier commit stays a candidate, although approval is auto."""
    api.call(
        "trainer",
        "POST",
        "/v1/models/auto-one/versions",
        json=facts("1", receipts["auto-one"], commit="an older one"),
    )
    api.call(
        "trainer",
        "POST",
        "/v1/models/auto-one/versions/1/verified",
        json={"manifest_sha256": "1".zfill(64)},
    )
    done = act(api, "trainer", "auto-one", "propose", "1")

    assert ("propose", "candidate") == (done["action"], done["state"])
    assert (None, "1", None) == status(api, "auto-one")


def test_a_trainer_cannot_promote(api: Any, receipts: Any) -> None:
    """With manual approval a trainer proposes and no more.

    Approve, promote, rollback and reject need the role approver.
    """
    verified(api, "manual-one", receipts["manual-one"], "1")
    act(api, "trainer", "manual-one", "propose", "1")
    for action in ("approve", "promote", "rollback", "reject"):
        with pytest.raises(Forbidden, match="role approver"):
            act(api, "trainer", "manual-one", action, "1")
    with pytest.raises(Forbidden, match="role trainer"):
        act(api, "approver", "manual-one", "propose", "1")

    assert (None, "1", None) == status(api, "manual-one")
    assert ["approve", "promote", "rollback", "reject", "propose"] == [
        entry["action"] for entry in api.ledger(outcome="Forbidden")
    ]


def test_of_two_at_once_one_becomes_champion(api: Any, receipts: Any) -> None:
    """Promotions at the same moment leave one champion, and the record agrees with the versions."""
    numbers = [str(number) for number in range(1, 7)]
    verified(api, "manual-one", receipts["manual-one"], *numbers)
    for number in numbers:
        act(api, "trainer", "manual-one", "propose", number)
        act(api, "approver", "manual-one", "approve", number)
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda number: _attempt(api, number), numbers))
    states = [item["state"] for item in api.call("reader", "GET", "/v1/models/manual-one/versions")]
    newest = api.call("reader", "GET", "/v1/models/manual-one/promotions")[0]

    assert 1 == states.count("champion")
    assert newest["version"] == status(api, "manual-one")[0]
    assert set(outcomes) <= {"done", "Refused"}


def _attempt(api: Any, number: str) -> str:
    try:
        act(api, "approver", "manual-one", "promote", number)
    except PlatformError as error:
        return type(error).__name__
    return "done"


def test_refused_steps_say_what_is_missing(api: Any, receipts: Any) -> None:
    """Each step that the state does not allow is refused with its reason, and nothing changes."""
    receipt = receipts["manual-one"]
    api.call("trainer", "POST", "/v1/models/manual-one/versions", json=facts("1", receipt))
    for caller, action, reason in [
        ("trainer", "propose", "not verified"),
        ("approver", "approve", "must be verified and proposed"),
        ("approver", "promote", "must be verified and proposed"),
        ("approver", "rollback", "must be verified and proposed"),
    ]:
        with pytest.raises(Refused, match=reason):
            act(api, caller, "manual-one", action, "1")
    with pytest.raises(Refused, match="another manifest"):
        api.call(
            "trainer",
            "POST",
            "/v1/models/manual-one/versions/1/verified",
            json={"manifest_sha256": "f" * 64},
        )
    verified(api, "manual-one", receipt, "1")
    body = {"action": "propose", "version": "1", "why": "no report"}
    with pytest.raises(Refused, match="gate report is missing"):
        api.call("trainer", "POST", "/v1/models/manual-one/promotions", json=body)
    with pytest.raises(Refused, match="no champion before"):
        act(api, "approver", "manual-one", "rollback")
    with pytest.raises(InvalidInput, match="version is missing"):
        act(api, "approver", "manual-one", "reject")
    with pytest.raises(UnknownName, match="no version 7"):
        act(api, "approver", "manual-one", "promote", "7")
    act(api, "approver", "manual-one", "reject", "1")
    with pytest.raises(Refused, match="rejected"):
        act(api, "trainer", "manual-one", "propose", "1")

    assert [("reject", "rejected")] == [
        (entry["action"], entry["state"])
        for entry in api.call("reader", "GET", "/v1/models/manual-one/promotions")
    ]


def test_a_first_champion_can_be_withdrawn(api: Any, receipts: Any) -> None:
    """Nothing serves then, the record and the ledger say why, and the version can be rejected."""
    verified(api, "manual-one", receipts["manual-one"], "1", "2")
    act(api, "trainer", "manual-one", "propose", "1")
    act(api, "approver", "manual-one", "approve", "1")
    with pytest.raises(Refused, match="withdraw it"):
        act(api, "approver", "manual-one", "reject", "1")
    with pytest.raises(Refused, match="withdraw the champion"):
        act(api, "approver", "manual-one", "rollback")
    with pytest.raises(Forbidden):
        act(api, "trainer", "manual-one", "withdraw")
    act(api, "approver", "manual-one", "withdraw")
    found = api.call("serving", "GET", "/v1/models/manual-one")
    with pytest.raises(Refused, match="no version serves"):
        act(api, "approver", "manual-one", "withdraw")
    act(api, "approver", "manual-one", "reject", "1")
    act(api, "trainer", "manual-one", "propose", "2")
    act(api, "approver", "manual-one", "approve", "2")
    entered = api.call("admin", "GET", "/v1/ledger")

    assert (None, "1", "withdraw", "test") == (
        found["champion"],
        *(found["withdrawn"][key] for key in ("version", "action", "why")),
    )
    assert ("2", None, None) == status(api, "manual-one")
    assert None is api.call("serving", "GET", "/v1/models/manual-one")["withdrawn"]
    assert 1 == sum(entry["action"] == "withdraw" and entry["outcome"] == "ok" for entry in entered)


def test_a_version_is_registered_once_with_one_set_of_facts(api: Any, receipts: Any) -> None:
    """The same facts again are no error.

    Other facts, an unknown receipt, or one of another pipeline are refused.
    """
    path, receipt = "/v1/models/manual-one/versions", receipts["manual-one"]
    first = api.call("trainer", "POST", path, json=facts("1", receipt))

    assert first == api.call("trainer", "POST", path, json=facts("1", receipt))
    with pytest.raises(Refused, match="another commit"):
        api.call("trainer", "POST", path, json=facts("1", receipt, commit="decaf"))
    with pytest.raises(UnknownName, match="no receipt"):
        api.call("trainer", "POST", path, json=facts("2", "nonsense"))
    with pytest.raises(Refused, match=r"auto-one\.training"):
        api.call("trainer", "POST", path, json=facts("2", receipts["auto-one"]))
    with pytest.raises(Forbidden):
        api.call("approver", "POST", path, json=facts("2", receipt))
    with pytest.raises(UnknownName):
        api.call("reader", "GET", "/v1/models/nobody")
