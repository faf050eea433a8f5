"""The token that comes with a lease: for one pipeline and one run, dead with the lease."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from stored_runs import gate_report, store_report

from mlplatform.access import Caller, Role, digest, new_run_token
from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import Forbidden, InvalidInput, Refused, Unauthenticated

RUN, OTHER = "run of auto-one", "manual-one"
LEASE = "/v1/pipelines/auto-one/lease"
SHA = "0" * 64
ENDED = (
    "no run has this token: the lease that a run's token came with was given back, or another run"
    " took it over"
)
FACTS = {
    "version": "1", "run_id": "r", "artifacts": "a", "manifest_sha256": SHA,
    "features_digest": "d" * 64, "commit": "c0ffee", "format": "onnx", "receipt_id": "r",
    "metrics": {},
}  # fmt: skip
PROPOSAL = {"action": "propose", "version": "1", "why": "test", "gate_digest": SHA}
ACTS: dict[str, tuple[str, str, Any]] = {
    "reads the dataset": ("GET", "/v1/datasets/{name}.training", None),
    "reads raw requests": ("GET", "/v1/datasets/{name}.requests", None),
    "reads the definition": ("GET", "/v1/pipelines/{name}", None),
    "reads etl's progress": ("GET", "/v1/pipelines/{name}/features/" + "d" * 64, None),
    "sees the trainings": ("GET", "/v1/pipelines/{name}/runs", None),
    "sees what serves": ("GET", "/v1/models/{name}", None),
    "sees the versions": ("GET", "/v1/models/{name}/versions", None),
    "sees the record": ("GET", "/v1/models/{name}/promotions", None),
    "registers": ("POST", "/v1/models/{name}/versions", FACTS),
    "verifies": ("POST", "/v1/models/{name}/versions/1/verified", {"manifest_sha256": SHA}),
    "proposes": ("POST", "/v1/models/{name}/promotions", PROPOSAL),
    "renews the lease": ("PUT", "/v1/pipelines/{name}/lease", {"ttl_s": 3600}),
    "gives the lease back": ("DELETE", "/v1/pipelines/{name}/lease", None),
}
"""What a run does, in an order in which it may: the last one ends it."""
NEVER: dict[str, tuple[str, str, Any]] = {
    "takes a lease": ("POST", LEASE, {"holder": "a run", "ttl_s": 60}),
    "starts a training": ("POST", "/v1/pipelines/auto-one/runs", {"reason": "test"}),
    "approves": ("POST", "/v1/models/auto-one/promotions", {**PROPOSAL, "action": "approve"}),
    "labels": ("POST", "/v1/feedback", {"labels": [{"request_id": "0" * 32, "label": "rose"}]}),
    "reads the quarantine": ("GET", "/v1/quarantine?pipeline=auto-one", None),
    "reads the balance": ("GET", "/v1/balance", None),
    "reads the ledger": ("GET", "/v1/ledger", None),
}


def codes(
    api: Any, caller: str, acts: dict[str, tuple[str, str, Any]], name: str
) -> dict[str, int]:
    """The HTTP code of each act on that pipeline."""
    return {
        what: api.raw(caller, method, path.format(name=name), json=body).status_code
        for what, (method, path, body) in acts.items()
    }


def begin(api: Any, holder: str, ttl_s: float = 60.0) -> str:
    """Take the lease of auto-one as another run; its token is that of RUN from then on."""
    with api.client("trainer") as client:
        api.runs["auto-one"] = client.take_lease("auto-one", holder, ttl_s=ttl_s).token
    return api.runs["auto-one"]


def refusal(api: Any, token: str) -> str:
    """Why a token is not let in."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = api.raw("nobody", "GET", "/v1/pipelines/auto-one", headers=headers)

    assert 401 == answer.status_code
    return str(answer.json()["detail"])


def test_a_run_reaches_its_own_pipeline_only(api: Any) -> None:
    """Every act on another pipeline is 403 and names the one it is for; on its own none is."""
    for name in ("auto-one", OTHER):
        api.featurise(name)
    other = codes(api, RUN, ACTS, OTHER)
    with pytest.raises(Forbidden, match="for a run of pipeline 'auto-one', not for 'manual-one'"):
        api.call(RUN, "GET", "/v1/datasets/manual-one.training")
    never = codes(api, RUN, NEVER, "auto-one")
    listed = [each["name"] for each in api.call(RUN, "GET", "/v1/pipelines")]
    datasets = {each["pipeline"] for each in api.call(RUN, "GET", "/v1/datasets")}
    own = codes(api, RUN, ACTS, "auto-one")

    assert dict.fromkeys(ACTS, 403) == other
    assert dict.fromkeys(NEVER, 403) == never
    assert (["auto-one"], {"auto-one"}) == (listed, datasets)
    assert set() == {401, 403} & set(own.values())


def test_a_receipt_of_another_pipeline_is_not_shown(api: Any) -> None:
    """Whose dataset it is of decides, not who knows its id."""
    api.featurise(OTHER)
    with api.client(f"run of {OTHER}") as client:
        receipt = read_dataset(client, f"{OTHER}.training", DatasetQuery()).receipt

    assert 403 == api.raw(RUN, "GET", f"/v1/receipts/{receipt.id}").status_code


def test_the_trainers_own_token_begins_runs_and_no_more(api: Any) -> None:
    """Whoever holds it can take a lease, and is told that the rest needs the token of a run."""
    refused = ("reads the dataset", "reads raw requests", "registers", "verifies", "proposes")
    acts = {what: ACTS[what] for what in (*refused, "renews the lease")}
    with pytest.raises(Forbidden, match="role reader or run") as raised:
        api.call("trainer", "GET", "/v1/datasets/auto-one.training")

    assert dict.fromkeys(acts, 403) == codes(api, "trainer", acts, "auto-one")
    assert "take the pipeline's lease" in raised.value.fix
    assert begin(api, "a run").startswith("run-")


def test_a_token_is_dead_with_its_lease(api: Any) -> None:
    """Given back, expired, taken over, begun anew: 401 that says why, from the next call on."""
    first = begin(api, "a")
    api.call(RUN, "DELETE", LEASE)
    released = refusal(api, first)
    second = begin(api, "b", ttl_s=0.001)
    expired = refusal(api, second)
    with pytest.raises(Unauthenticated, match="expired"):
        api.call(RUN, "PUT", LEASE, json={"ttl_s": 60})
    third = begin(api, "c")
    stolen = refusal(api, second)
    fourth = begin(api, "c")  # its first answer was lost, say
    begun_anew = refusal(api, third)
    with api.client("trainer") as client:
        ended = client.release_lease("auto-one", "c")
    by_holder = refusal(api, fourth)

    assert "the lease of 'auto-one' that this token came with expired at" in expired
    assert {ENDED} == {released, stolen, begun_anew, by_holder}
    assert ended
    assert 6 == api.refused("Unauthenticated")


def test_a_renewal_extends_the_token(api: Any) -> None:
    """Its end is the lease's; the answer of a renewal does not repeat the token."""
    begin(api, "a", ttl_s=20)
    before = api.call(RUN, "PUT", LEASE, json={"ttl_s": 30})
    after = api.call(RUN, "PUT", LEASE, json={"ttl_s": 3600})
    with api.databases.connect("dataapi", "warehouse") as connection:
        row = connection.execute(
            "SELECT expires_at = token_expires_at, run, holder, caller FROM control.leases"
        ).fetchone()

    assert before["expires_at"] < after["expires_at"]
    assert ("", "") == (before["token"], after["token"])
    assert (True, before["run"], "a", "trainer") == row


def test_no_run_lasts_for_ever(api: Any) -> None:
    """Whatever renews its lease, it ends ten minutes after the definition's time limit."""
    begin(api, "a", ttl_s=60)
    with api.databases.connect("dataapi", "warehouse") as connection:
        (first,) = connection.execute("SELECT expires_at FROM control.leases").fetchone()
        last = api.call(RUN, "PUT", LEASE, json={"ttl_s": 86_400})["expires_at"]
        connection.execute("UPDATE control.leases SET must_end_at = now()")
        connection.commit()
    api.call(RUN, "PUT", LEASE, json={"ttl_s": 60})

    assert timedelta(seconds=1_800 + 600 - 60) == datetime.fromisoformat(last) - first
    assert "expired" in refusal(api, api.runs["auto-one"])


def test_only_the_token_that_was_given_is_let_in(api: Any) -> None:
    """Another secret, another run, half of it: 401, and no word about leases."""
    token = begin(api, "a")
    run = token[4:36]
    tries = (new_run_token(run), new_run_token("f" * 32), token[:-1] + "~", token[:36], token + "A")

    assert 401 not in codes(api, RUN, {"": ACTS["reads the definition"]}, "auto-one").values()
    assert ["no run has this token", "no run has this token"] + ["this token is unknown"] * 3 == [
        refusal(api, each).partition(":")[0] for each in tries
    ]


def test_a_token_is_stored_nowhere(api: Any) -> None:
    """The database has its digest; the ledger has the run."""
    token = begin(api, "a")
    api.call(RUN, "PUT", LEASE, json={"ttl_s": 60})
    api.featurise("auto-one")
    with api.client(RUN) as client:
        receipt = read_dataset(client, "auto-one.training", DatasetQuery()).receipt
    with api.databases.connect("dataapi", "warehouse") as connection:
        kept = connection.execute("SELECT token_sha256 FROM control.leases").fetchone()
    entries = api.ledger()

    assert (digest(token),) == kept
    assert token[37:] not in str(entries)
    assert [("lease", token[4:36]), ("read", token[4:36]), ("read", token[4:36])] == [
        (entry["action"], entry["detail"]["run"])
        for entry in entries
        if entry["action"] in ("lease", "read")
    ]
    assert (token[4:36], "trainer") == (receipt.run, receipt.caller)


def test_a_change_of_a_run_that_lost_its_lease_meanwhile_is_not_made(api: Any) -> None:
    """It was let in while the lease lasted: its transaction finds that another run has it now."""
    run = begin(api, "a", ttl_s=0.001)[4:36]
    begin(api, "b")
    late = Caller(name="trainer", roles=(Role.RUN,), pipelines=("auto-one",), sha256=SHA, run=run)
    with pytest.raises(Unauthenticated, match="another run took it over"):
        api.collaborators.models.verify(late, "auto-one", "1", SHA)

    assert ["Unauthenticated"] == [each["outcome"] for each in api.ledger(action="verify")]


def test_a_lease_needs_a_run_to_renew_and_a_holder_to_end(api: Any) -> None:
    """An admin may do all, but is no run."""
    begin(api, "a")
    with pytest.raises(InvalidInput, match="token of its run"):
        api.call("admin", "PUT", LEASE, json={"ttl_s": 60})
    with pytest.raises(InvalidInput, match="holder"):
        api.call("admin", "DELETE", LEASE)

    assert {"released": True} == api.call("admin", "DELETE", LEASE, params={"holder": "a"})


def test_a_version_is_proposed_by_the_run_that_read_its_dataset(runs: Any) -> None:
    """A later run of the same pipeline and caller can't use the former's receipt."""
    runs.verified("auto-one", "1")
    body = runs.proposal("auto-one", "1")
    with runs.api.client(RUN) as client:
        client.release_lease("auto-one")
    begin(runs.api, "a later run")
    path = "/v1/models/auto-one/promotions"
    with pytest.raises(Refused, match=r"was given to run '.*', not to run '.*'") as raised:
        runs.api.call(RUN, "POST", path, json=body)
    with pytest.raises(Refused, match=r"was given to run '.*', not to no run"):
        runs.api.call("admin", "POST", path, json=body)
    with runs.api.client(RUN) as client:
        own = read_dataset(client, "auto-one.training", DatasetQuery()).receipt
    runs.verified("auto-one", "2", receipt_id=own.id)
    known = runs.facts("auto-one", "2", receipt_id=own.id)
    report = gate_report("auto-one", known, own)
    body |= {"version": "2", "gate_digest": store_report(runs.mlflow, known["artifacts"], report)}

    assert "receipt" == raised.value.field
    assert "champion" == runs.api.call(RUN, "POST", path, json=body)["state"]
