"""A proposal counts for what the registry holds, not for what a trainer's token says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stored_runs import gate_report, put, store_report, store_version

from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import PlatformError, Refused, Unavailable

NAME = "auto-one"
PATH = f"/v1/models/{NAME}/promotions"
RUN = f"run of {NAME}"


def refusal(runs: Any, body: dict[str, Any]) -> tuple[str, str]:
    """Class and field of the error that a proposal ends with; the version must not move."""
    with pytest.raises(PlatformError) as raised:
        runs.api.call(RUN, "POST", PATH, json=body)
    found = runs.api.call("reader", "GET", f"/v1/models/{NAME}/versions")[0]

    assert ("verified", None) == (found["state"], found["gate_digest"])
    return type(raised.value).__name__, raised.value.field


REPORTS: dict[str, tuple[dict[str, Any], str]] = {
    "another pipeline": ({"pipeline": "manual-one"}, "pipeline"),
    "another run": ({"run": "0" * 32}, "run"),
    "another commit": ({"commit": "decaf"}, "commit"),
    "another manifest": ({"manifest_sha256": "0" * 64}, "manifest_sha256"),
    "other features": ({"features_digest": "0" * 64}, "features_digest"),
    "another receipt": ({"receipt": "invented"}, "receipt"),
    "another dataset": ({"dataset_sha256": "0" * 64}, "dataset_sha256"),
    "did not pass": ({"passed": False}, "passed"),
    "passed is no truth value": ({"passed": "true"}, "gate_digest"),
    "a case that fails": ({"cases": [{"name": "one", "complaint": "no"}]}, "passed"),
    "no gates": ({"required": [], "gates": []}, "gates"),
    "a gate that is not judged": ({"gates": []}, "gates"),
    "a looser gate": ({"required": [{"metric": "accuracy", "min": 0.1}]}, "gates"),
}


def test_a_report_of_something_else_is_refused_by_field(runs: Any) -> None:
    """Each way in which a report can be of another version, run, dataset or set of gates."""
    runs.verified(NAME, "1")
    found = {
        what: refusal(runs, runs.proposal(NAME, "1", **changes))
        for what, (changes, _) in REPORTS.items()
    }
    outcomes = [entry["outcome"] for entry in runs.api.ledger(action="propose")]
    done = runs.api.call(RUN, "POST", PATH, json=runs.proposal(NAME, "1"))

    assert {what: ("Refused", field) for what, (_, field) in REPORTS.items()} == found
    assert ["Refused"] * len(REPORTS) == outcomes
    assert ("promote", "champion") == (done["action"], done["state"])


def test_a_report_that_was_changed_is_refused(runs: Any) -> None:
    """Its digest is not the one that was proposed; neither is one that isn't there a report."""
    runs.verified(NAME, "1")
    folder = runs.facts(NAME, "1")["artifacts"].removesuffix("/model")
    absent = {"action": "propose", "version": "1", "why": "test", "gate_digest": "0" * 64}
    found = [refusal(runs, absent)]
    body = runs.proposal(NAME, "1")
    put(runs.mlflow, f"{folder}/report/gates.json", b"{}")
    found.append(refusal(runs, body))

    assert [("Refused", "version"), ("Refused", "gate_digest")] == found


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_files_that_were_changed_after_they_were_verified_are_refused(runs: Any, file: str) -> None:
    """Manifest and folder must be what was registered, byte by byte, when it is proposed."""
    runs.verified(NAME, "1")
    body = runs.proposal(NAME, "1")
    put(runs.mlflow, f"{runs.facts(NAME, '1')['artifacts']}/{file}", b"{}")

    assert ("Refused", "version") == refusal(runs, body)


def test_facts_that_mlflow_does_not_know_are_refused(runs: Any) -> None:
    """A version that isn't there, and one that was registered with another run's folder."""
    other = store_version(runs.mlflow, "another-model", "unused")
    folders = {key: other[key] for key in ("run_id", "artifacts", "manifest_sha256")}
    runs.verified(NAME, "1", **folders)
    report = gate_report(NAME, runs.facts(NAME, "1", **folders), runs.receipts[NAME])
    digest = store_report(runs.mlflow, other["artifacts"], report)
    body = {"action": "propose", "version": "1", "why": "test", "gate_digest": digest}
    invented = runs.facts(NAME, "1") | {"version": "7"}
    runs.api.call(RUN, "POST", f"/v1/models/{NAME}/versions", json=invented)
    verified = {"manifest_sha256": invented["manifest_sha256"]}
    runs.api.call(RUN, "POST", f"/v1/models/{NAME}/versions/7/verified", json=verified)

    assert ("Refused", "run_id") == refusal(runs, body)
    assert ("Refused", "version") == refusal(runs, body | {"version": "7"})


def test_a_receipt_that_somebody_else_got_is_refused(runs: Any) -> None:
    """A version is proposed by the caller that read its dataset."""
    with runs.api.client("reader") as client:
        receipt = read_dataset(client, f"{NAME}.training", DatasetQuery()).receipt
    runs.verified(NAME, "1", receipt_id=receipt.id)
    changes = {"receipt": receipt.id, "dataset_sha256": receipt.sha256}

    assert ("Refused", "receipt") == refusal(runs, runs.proposal(NAME, "1", **changes))


def test_while_mlflow_is_away_a_proposal_can_be_tried_again(
    runs: Any, start: Callable[..., Any], databases: Any, tmp_path: Path
) -> None:
    """503 with the time to wait, and the version is not refused for it."""
    runs.verified(NAME, "1")
    body = runs.proposal(NAME, "1")
    (tmp_path / "lonely").mkdir()
    lonely = start(databases, tmp_path / "lonely")
    lonely.runs.update(runs.api.runs)
    answer = lonely.raw(RUN, "POST", PATH, json=body)
    with pytest.raises(Unavailable, match="MLflow"):
        lonely.call(RUN, "POST", PATH, json=body)
    done = runs.api.call(RUN, "POST", PATH, json=body)

    assert (503, True) == (answer.status_code, "Retry-After" in answer.headers)
    assert "champion" == done["state"]


def test_who_may_not_propose_learns_nothing_of_the_registry(runs: Any) -> None:
    """The role is checked before anything is read."""
    runs.verified(NAME, "1")
    answer = runs.api.raw("reader", "POST", PATH, json=runs.proposal(NAME, "1"))

    assert 403 == answer.status_code


def test_a_manual_candidate_is_checked_as_well(runs: Any) -> None:
    """What a person may approve has passed the same comparison."""
    runs.verified("manual-one", "1")
    path = "/v1/models/manual-one/promotions"
    body = runs.proposal("manual-one", "1", passed=False)
    with pytest.raises(Refused, match="did not pass"):
        runs.api.call("run of manual-one", "POST", path, json=body)
    done = runs.act("run of manual-one", "manual-one", "propose", "1")

    assert ("propose", "candidate") == (done["action"], done["state"])
