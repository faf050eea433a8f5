"""Versions and promotions: one state machine, one champion, one record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlplatform.errors import Forbidden, InvalidInput, PlatformError, Refused, UnknownName


def status(runs: Any, name: str) -> tuple[Any, ...]:
    """Champion, candidate and previous by number."""
    found = runs.api.call("serving", "GET", f"/v1/models/{name}")
    return tuple(
        found[key] and found[key]["version"] for key in ("champion", "candidate", "previous")
    )


def test_a_version_goes_from_registered_to_champion_and_back(runs: Any) -> None:
    """Register, verify, propose, approve; a second one promoted.

    A rollback brings the first one back; the record holds it all.
    """
    runs.verified("manual-one", "1", "2")
    seen = [status(runs, "manual-one")]
    for caller, action, version in [
        ("run of manual-one", "propose", "1"),
        ("approver", "approve", "1"),
        ("run of manual-one", "propose", "2"),
        ("approver", "promote", "2"),
        ("approver", "rollback", None),
    ]:
        runs.act(caller, "manual-one", action, version)
        seen.append(status(runs, "manual-one"))
    record = runs.api.call("reader", "GET", "/v1/models/manual-one/promotions")

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
    assert record[0]["id"] == runs.api.call("serving", "GET", "/v1/models/manual-one")["record"]
    assert ["champion", "retired"] == [
        item["state"] for item in runs.api.call("reader", "GET", "/v1/models/manual-one/versions")
    ]


def test_auto_approval_promotes_what_is_proposed(runs: Any) -> None:
    """With `approval: auto` a proposal becomes champion at once, also when it is sent twice."""
    runs.verified("auto-one", "1")
    path, body = "/v1/models/auto-one/promotions", runs.proposal("auto-one", "1")
    done = runs.api.call("run of auto-one", "POST", path, json=body)
    again = runs.api.call("run of auto-one", "POST", path, json=body)

    assert ("promote", "champion", "pipeline:auto") == (done["action"], done["state"], done["by"])
    assert done == again
    assert ("1", None, None) == status(runs, "auto-one")
    assert ["pipeline:auto", "trainer", "trainer"] == [
        entry["caller"]
        for entry in runs.api.ledger(subject="auto-one")
        if entry["action"] in ("propose", "promote")
    ]


def test_a_proposal_counts_only_against_the_champion_it_was_compared_with(runs: Any) -> None:
    """Of two runs that met the same champion the later one is refused, and so is one that met none.

    Repeating the first is no error.
    """
    runs.verified("auto-one", "1", "2", "3")
    path, first = "/v1/models/auto-one/promotions", runs.proposal("auto-one", "2", "1")
    runs.act("run of auto-one", "auto-one", "propose", "1")
    done = runs.api.call("run of auto-one", "POST", path, json=first)
    with pytest.raises(Refused, match="compared with version 1, and the champion is version 2 now"):
        runs.api.call("run of auto-one", "POST", path, json=runs.proposal("auto-one", "3", "1"))
    with pytest.raises(Refused, match="compared with none"):
        runs.api.call("run of auto-one", "POST", path, json=runs.proposal("auto-one", "3"))

    assert done == runs.api.call("run of auto-one", "POST", path, json=first)
    assert ("2", None, "1") == status(runs, "auto-one")


def test_the_longest_reason_is_promoted_at_once(runs: Any) -> None:
    """The entry of the promotion adds who proposed to a reason that is as long as it may be."""
    runs.verified("auto-one", "1")
    body = runs.proposal("auto-one", "1") | {"why": "x" * 2_000}
    done = runs.api.call("run of auto-one", "POST", "/v1/models/auto-one/promotions", json=body)

    assert ("promote", "champion") == (done["action"], done["state"])
    assert "approval is auto; proposed by trainer: " + "x" * 2_000 == done["why"]


def test_what_was_judged_by_another_definition_waits_for_a_person(runs: Any) -> None:
    """A version of an earlier commit stays a candidate, although approval is auto."""
    runs.verified("auto-one", "1", commit="an older one")
    done = runs.act("run of auto-one", "auto-one", "propose", "1")

    assert ("propose", "candidate") == (done["action"], done["state"])
    assert (None, "1", None) == status(runs, "auto-one")


def test_a_trainer_cannot_promote(runs: Any) -> None:
    """With manual approval a trainer proposes and no more.

    Approve, promote, rollback and reject need the role approver.
    """
    runs.verified("manual-one", "1")
    runs.act("run of manual-one", "manual-one", "propose", "1")
    for action in ("approve", "promote", "rollback", "reject"):
        with pytest.raises(Forbidden, match="role approver"):
            runs.act("run of manual-one", "manual-one", action, "1")
    with pytest.raises(Forbidden, match="role run"):
        runs.act("approver", "manual-one", "propose", "1")

    assert (None, "1", None) == status(runs, "manual-one")
    assert ["approve", "promote", "rollback", "reject", "propose"] == [
        entry["action"] for entry in runs.api.ledger(outcome="Forbidden")
    ]


def test_of_two_at_once_one_becomes_champion(runs: Any) -> None:
    """Promotions at the same moment leave one champion, and the record agrees with the versions."""
    numbers = [str(number) for number in range(1, 7)]
    runs.verified("manual-one", *numbers)
    for number in numbers:
        runs.act("run of manual-one", "manual-one", "propose", number)
        runs.act("approver", "manual-one", "approve", number)
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda number: _attempt(runs, number), numbers))
    states = [
        item["state"] for item in runs.api.call("reader", "GET", "/v1/models/manual-one/versions")
    ]
    newest = runs.api.call("reader", "GET", "/v1/models/manual-one/promotions")[0]

    assert 1 == states.count("champion")
    assert newest["version"] == status(runs, "manual-one")[0]
    assert set(outcomes) <= {"done", "Refused"}


def _attempt(runs: Any, number: str) -> str:
    try:
        runs.act("approver", "manual-one", "promote", number)
    except PlatformError as error:
        return type(error).__name__
    return "done"


def test_refused_steps_say_what_is_missing(runs: Any) -> None:
    """Each step that the state does not allow is refused with its reason, and nothing changes."""
    runs.register("manual-one", "1")
    for caller, action, reason in [
        ("run of manual-one", "propose", "not verified"),
        ("approver", "approve", "must be verified and proposed"),
        ("approver", "promote", "must be verified and proposed"),
        ("approver", "rollback", "must be verified and proposed"),
    ]:
        with pytest.raises(Refused, match=reason):
            runs.act(caller, "manual-one", action, "1")
    with pytest.raises(Refused, match="another manifest"):
        runs.api.call(
            "run of manual-one",
            "POST",
            "/v1/models/manual-one/versions/1/verified",
            json={"manifest_sha256": "f" * 64},
        )
    runs.verified("manual-one", "1")
    body = {"action": "propose", "version": "1", "why": "no report"}
    with pytest.raises(Refused, match="gate report is missing"):
        runs.api.call("run of manual-one", "POST", "/v1/models/manual-one/promotions", json=body)
    with pytest.raises(Refused, match="no champion before"):
        runs.act("approver", "manual-one", "rollback")
    with pytest.raises(InvalidInput, match="version is missing"):
        runs.act("approver", "manual-one", "reject")
    with pytest.raises(UnknownName, match="no version 7"):
        runs.act("approver", "manual-one", "promote", "7")
    runs.act("approver", "manual-one", "reject", "1")
    with pytest.raises(Refused, match="rejected"):
        runs.act("run of manual-one", "manual-one", "propose", "1")

    assert [("reject", "rejected")] == [
        (entry["action"], entry["state"])
        for entry in runs.api.call("reader", "GET", "/v1/models/manual-one/promotions")
    ]


def test_a_first_champion_can_be_withdrawn(runs: Any) -> None:
    """Nothing serves then, the record and the ledger say why, and the version can be rejected."""
    runs.verified("manual-one", "1", "2")
    runs.act("run of manual-one", "manual-one", "propose", "1")
    runs.act("approver", "manual-one", "approve", "1")
    with pytest.raises(Refused, match="withdraw it"):
        runs.act("approver", "manual-one", "reject", "1")
    with pytest.raises(Refused, match="withdraw the champion"):
        runs.act("approver", "manual-one", "rollback")
    with pytest.raises(Forbidden):
        runs.act("run of manual-one", "manual-one", "withdraw")
    runs.act("approver", "manual-one", "withdraw")
    found = runs.api.call("serving", "GET", "/v1/models/manual-one")
    with pytest.raises(Refused, match="no version serves"):
        runs.act("approver", "manual-one", "withdraw")
    runs.act("approver", "manual-one", "reject", "1")
    runs.act("run of manual-one", "manual-one", "propose", "2")
    runs.act("approver", "manual-one", "approve", "2")
    entered = runs.api.call("admin", "GET", "/v1/ledger")

    assert (None, "1", "withdraw", "test") == (
        found["champion"],
        *(found["withdrawn"][key] for key in ("version", "action", "why")),
    )
    assert ("2", None, None) == status(runs, "manual-one")
    assert None is runs.api.call("serving", "GET", "/v1/models/manual-one")["withdrawn"]
    assert 1 == sum(entry["action"] == "withdraw" and entry["outcome"] == "ok" for entry in entered)


def test_a_version_is_registered_once_with_one_set_of_facts(runs: Any) -> None:
    """The same facts again are no error.

    Other facts, an unknown receipt, or one of another pipeline are refused.
    """
    first = runs.register("manual-one", "1")

    assert first == runs.register("manual-one", "1")
    with pytest.raises(Refused, match="another commit"):
        runs.register("manual-one", "1", commit="decaf")
    with pytest.raises(UnknownName, match="no receipt"):
        runs.register("manual-one", "2", receipt_id="nonsense")
    with pytest.raises(Refused, match=r"auto-one\.training"):
        runs.register("manual-one", "2", receipt_id=runs.receipts["auto-one"].id)
    body = runs.facts("manual-one", "2")
    with pytest.raises(Forbidden):
        runs.api.call("approver", "POST", "/v1/models/manual-one/versions", json=body)
    with pytest.raises(UnknownName):
        runs.api.call("reader", "GET", "/v1/models/nobody")
