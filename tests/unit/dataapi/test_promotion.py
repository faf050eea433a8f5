"""The state machine of model versions: what may follow what, and who reigned before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.promotion import Action, ModelVersion, Promotion, State
from mlplatform.dataapi.promotion import champions, decide, previous, withdrawal
from mlplatform.errors import Refused

GATES = "9" * 64
ALLOWED = {
    ("propose", "verified"): "candidate",
    ("approve", "candidate"): "champion",
    ("promote", "candidate"): "champion",
    ("promote", "retired"): "champion",
    ("rollback", "retired"): "champion",
    ("withdraw", "champion"): "retired",
    ("reject", "registered"): "rejected",
    ("reject", "verified"): "rejected",
    ("reject", "candidate"): "rejected",
    ("reject", "retired"): "rejected",
}


def _version(number: str, state: State, **changes: Any) -> ModelVersion:
    facts = {
        "run_id": "r",
        "artifacts": "1/r/artifacts/model",
        "commit": "c",
        "format": "onnx",
        "receipt_id": "x",
        "gate_digest": GATES,
    }
    digests = {"manifest_sha256": "1" * 64, "features_digest": "2" * 64}
    return ModelVersion(
        pipeline="p-1",
        version=number,
        state=state,
        created_at=datetime.now(UTC),
        **{**facts, **digests, **changes},
    )


def _record(*steps: tuple[Action, str]) -> list[Promotion]:
    """A record of steps; all but a withdrawal and a rejection made a champion."""
    others: dict[str, State] = {"withdraw": "retired", "reject": "rejected"}
    common = {"pipeline": "p-1", "by": "ann", "why": "test", "at": datetime.now(UTC)}
    return [
        Promotion(
            id=place, version=version, action=action, state=others.get(action, "champion"), **common
        )
        for place, (action, version) in enumerate(steps, 1)
    ]


@pytest.mark.parametrize("action", get_args(Action))
@pytest.mark.parametrize("state", get_args(State))
def test_only_listed_steps_are_allowed(action: Action, state: State) -> None:
    """Every action on every state leads to the listed state or is refused; the version is named."""
    version = _version("1", state)
    if (action, state) in ALLOWED:
        assert (
            ALLOWED[action, state]
            == decide(action, version, all_versions=[version], gate_digest=GATES).state
        )
    else:
        with pytest.raises(Refused, match="version 1"):
            decide(action, version, all_versions=[version], gate_digest=GATES)


def test_a_new_champion_retires_the_old_one() -> None:
    """A promotion names the reigning champion as retired, and nobody else."""
    versions = [
        _version("1", "champion"),
        _version("2", "candidate"),
        _version("3", "candidate"),
        _version("4", "verified"),
    ]

    assert (("1", "retired"),) == decide(
        "promote", versions[1], all_versions=versions, gate_digest=None
    ).others


def test_a_new_candidate_retires_the_old_one() -> None:
    """A proposal supersedes the candidate that waits; the champion stays."""
    versions = [_version("1", "champion"), _version("2", "candidate"), _version("3", "verified")]

    assert (("2", "retired"),) == decide(
        "propose", versions[2], all_versions=versions, gate_digest=GATES, compared_with="1"
    ).others


@pytest.mark.parametrize("compared_with", [None, "3"])
def test_a_proposal_names_the_present_champion(compared_with: str | None) -> None:
    """What was not compared with the present champion is not proven better, and is refused."""
    versions = [_version("1", "champion"), _version("2", "verified"), _version("3", "retired")]
    with pytest.raises(Refused, match="the champion is version 1 now"):
        decide(
            "propose",
            versions[1],
            all_versions=versions,
            gate_digest=GATES,
            compared_with=compared_with,
        )


def test_nothing_serves_without_a_gate_report() -> None:
    """A version without the digest of a gate report can be neither proposed nor promoted."""
    verified, candidate = _version("1", "verified"), _version("2", "candidate", gate_digest=None)
    with pytest.raises(Refused, match="gate report is missing"):
        decide("propose", verified, all_versions=[verified], gate_digest=None)
    with pytest.raises(Refused, match="no gate report"):
        decide("promote", candidate, all_versions=[candidate], gate_digest=None)


def test_rollbacks_go_further_back_each_time() -> None:
    """The line of champions shortens with each rollback instead of swinging between two."""
    steps: list[tuple[Action, str]] = [("promote", "1"), ("approve", "2"), ("promote", "3")]

    assert ("1", "2", "3") == champions(_record(*steps))
    assert ("1", "2") == champions(_record(*steps, ("rollback", "2")))
    assert ("1",) == champions(_record(*steps, ("rollback", "2"), ("rollback", "1")))
    assert ("1", "2", "4") == champions(_record(*steps, ("rollback", "2"), ("promote", "4")))


def test_a_rejected_version_is_passed_over() -> None:
    """A rollback goes to the nearest earlier champion that was not rejected since."""
    record = _record(("promote", "1"), ("promote", "2"), ("promote", "3"))

    assert "2" == previous(
        record, [_version("1", "retired"), _version("2", "retired"), _version("3", "champion")]
    )
    assert "1" == previous(
        record, [_version("1", "retired"), _version("2", "rejected"), _version("3", "champion")]
    )
    assert (
        previous(
            record,
            [_version("1", "rejected"), _version("2", "rejected"), _version("3", "champion")],
        )
        is None
    )
    assert previous([], []) is None


def test_a_withdrawn_version_is_never_the_way_back() -> None:
    """It leaves the line: a rollback goes to the champion before it, then and later."""
    record = _record(("promote", "1"), ("promote", "2"), ("withdraw", "2"))
    states = [_version("1", "retired"), _version("2", "retired"), _version("3", "champion")]

    later = _record(("promote", "1"), ("promote", "2"), ("withdraw", "2"), ("promote", "3"))

    assert ("1", "1") == (previous(record, states[:2]), previous(later, states))


def test_a_withdrawal_holds_until_the_next_champion() -> None:
    """Serving is told of it for as long as no other version reigns."""
    steps: list[tuple[Action, str]] = [("promote", "1"), ("withdraw", "1")]
    found = [
        withdrawal(_record(*some))
        for some in (steps[:1], steps, [*steps, ("reject", "1")], [*steps, ("promote", "2")])
    ]

    assert [None, "1", "1", None] == [entry and entry.version for entry in found]


@given(st.lists(st.tuples(st.sampled_from(get_args(Action)), st.sampled_from("123")), max_size=40))
def test_there_is_never_a_second_champion(steps: list[tuple[Action, str]]) -> None:
    """Whatever is asked in whatever order.

    At most one champion, at most one candidate, and a rejected version stays rejected.
    """
    states: dict[str, State] = dict.fromkeys("123", "verified")
    for action, number in steps:
        versions = [_version(name, state) for name, state in states.items()]
        before = dict(states)
        try:
            decision = decide(
                action,
                next(item for item in versions if item.version == number),
                all_versions=versions,
                gate_digest=GATES,
            )
        except Refused:
            continue
        states |= {**dict(decision.others), decision.version: decision.state}

        assert list(states.values()).count("champion") <= 1
        assert list(states.values()).count("candidate") <= 1
        assert all(
            states[name] == "rejected" for name, state in before.items() if state == "rejected"
        )
