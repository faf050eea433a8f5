"""The typed client: what each method sends, and what it makes of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.labels import RowLabel
from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.contracts.pipeline_status import ApplyRequest
from mlplatform.contracts.promotion import ModelFacts, Proposal
from mlplatform.dataapi.app import SUBJECTS
from mlplatform.errors import InvalidInput, Refused, Unavailable

SHA = "a" * 64
FACTS = ModelFacts(
    version="3",
    run_id="run",
    artifacts="1/run/artifacts/model",
    manifest_sha256=SHA,
    features_digest=SHA,
    commit="c0ffee",
    format="onnx",
    receipt_id="r",
    metrics={"auc": 0.5},
)
CALLS: dict[str, Callable[[DataApi], Any]] = {
    "PUT /v1/pipelines/{name}": lambda api: api.apply(
        "churn", ApplyRequest(definition={}, commit="c0ffee", features_digest=SHA)
    ),
    "GET /v1/pipelines": lambda api: api.pipelines(),
    "GET /v1/pipelines/{name}": lambda api: api.pipeline("churn"),
    "GET /v1/pipelines/{name}/features/{digest}": lambda api: api.features_progress("churn", SHA),
    "POST /v1/pipelines/{name}/lease": lambda api: api.take_lease("churn", "me", ttl_s=5),
    "PUT /v1/pipelines/{name}/lease": lambda api: api.renew_lease("churn", ttl_s=5),
    "DELETE /v1/pipelines/{name}/lease": lambda api: api.release_lease("churn", "me"),
    "POST /v1/pipelines/{name}/runs": lambda api: api.start_run("churn", reason="new labels"),
    "GET /v1/pipelines/{name}/runs": lambda api: api.runs("churn", "lost", "failed"),
    "GET /v1/pipelines/{name}/runs/{run}": lambda api: api.run("churn", "r", wait_s=5, seen=3),
    "PUT /v1/pipelines/{name}/runs/{run}/report": lambda api: api.report_run(
        "churn", "r", number=1, version="3"
    ),
    "POST /v1/pipelines/{name}/runs/{run}/cancel": lambda api: api.cancel_run("churn", "r"),
    "GET /v1/models/{name}": lambda api: api.model_status("churn"),
    "GET /v1/models/{name}/versions": lambda api: api.versions("churn"),
    "POST /v1/models/{name}/versions": lambda api: api.register("churn", FACTS),
    "POST /v1/models/{name}/versions/{version}/verified": lambda api: api.mark_verified(
        "churn", "3", manifest_sha256=SHA
    ),
    "GET /v1/models/{name}/promotions": lambda api: api.promotions("churn"),
    "POST /v1/models/{name}/promotions": lambda api: api.decide("churn", "rollback", why="slow"),
    "GET /v1/datasets": lambda api: api.datasets(),
    "GET /v1/datasets/{name}": lambda api: api.dataset_rows("churn.labels", DatasetQuery()),
    "GET /v1/receipts/{receipt_id}": lambda api: api.receipt("r"),
    "POST /v1/datasets/{name}/rows": lambda api: api.import_rows("churn", b"", media="text/csv"),
    "POST /v1/feedback": lambda api: api.add_labels([]),
    "GET /v1/quarantine": lambda api: api.quarantine(),
    "POST /v1/quarantine/{entry:int}/correct": lambda api: api.correct_quarantined(
        7, {"income": 5}, why="a typo"
    ),
    "GET /v1/deadletters": lambda api: api.dead_letters(kind="refused"),
    "GET /v1/deadletters/counts": lambda api: api.dead_letter_counts(),
    "GET /v1/deadletters/{letter:int}": lambda api: api.dead_letter(7),
    "POST /v1/deadletters/redrive": lambda api: api.redrive_letters([7]),
    "POST /v1/deadletters/drop": lambda api: api.drop_letters([7], why="noise"),
    "GET /v1/quarantine/counts": lambda api: api.quarantine_counts("churn"),
    "GET /v1/quarantine/{entry:int}": lambda api: api.quarantine_entry(7),
    "POST /v1/quarantine/redrive": lambda api: api.redrive("churn"),
    "POST /v1/quarantine/drop": lambda api: api.drop_quarantined("churn", [7], why="a test"),
    "POST /v1/outboxes/{outbox_id}": lambda api: api.report_outbox(
        "0198", OutboxReport(host="h", accepted=1, acknowledged=1)
    ),
    "GET /v1/balance": lambda api: api.balance(),
    "POST /v1/balance/proof": lambda api: api.prove_balance(),
    "GET /v1/queue": lambda api: api.queue(),
    "POST /v1/queue/reset": lambda api: api.reset_queue("1c0a"),
    "GET /v1/ledger": lambda api: api.ledger(),
    "GET /v1/evidence": lambda api: api.evidence(),
    "GET /v1/evidence/{outbox_id}/records": lambda api: list(
        api.proven_records("018f0000-0000-7000-8000-000000000000", after=0, upto=9)
    ),
    "GET /v1/retention": lambda api: api.retention_plan(),
    "GET /v1/retention/sizes": lambda api: api.table_sizes(),
    "POST /v1/retention/remove": lambda api: api.remove_past("labels", "churn", dry_run=True),
    "POST /v1/pipelines/{name}/forget": lambda api: api.forget("churn", "anna", why="asked for it"),
    "POST /v1/retention/holds/{name}": lambda api: api.hold("churn", why="case 7"),
    "POST /v1/retention/holds/{name}/release": lambda api: api.release_hold("churn", why="closed"),
}
PROMOTION = {
    "id": 7,
    "pipeline": "churn",
    "version": "3",
    "action": "propose",
    "state": "candidate",
    "by": "trainer",
    "why": "passed all gates",
    "at": "2026-01-01T00:00:00Z",
}


class Server:
    """Gives the same answer to every request, and remembers the requests."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer."""
        self.requests.append(request)
        return httpx.Response(self._status, json=self._answer)

    def body(self) -> Any:
        """JSON of the only request."""
        (request,) = self.requests
        return json.loads(request.content)


def client(server: Callable[[httpx.Request], httpx.Response]) -> DataApi:
    """A client of that server."""
    api = DataApi("http://data.test", None)
    api._http.http = httpx.Client(
        base_url="http://data.test", transport=httpx.MockTransport(server)
    )
    return api


def route(request: httpx.Request) -> str:
    """The routes of the data API that match a request."""
    found = [
        f"{request.method} {each.path}"
        for subject in SUBJECTS
        for each in subject.router.routes
        if request.method in each.methods and each.path_regex.match(request.url.path)
    ]
    return ", ".join(found)


def test_every_route_has_its_method() -> None:
    """What the data API offers, the client has: no program needs a path or a loose document."""
    offered = {
        f"{method} {each.path}"
        for subject in SUBJECTS
        for each in subject.router.routes
        for method in each.methods
    }

    assert offered == CALLS.keys()


@pytest.mark.parametrize("expected", CALLS)
def test_each_method_calls_its_route(expected: str) -> None:
    """Method and path are those of one route; what the server refuses is raised."""
    refusal = {"type": "urn:mlplatform:Refused", "detail": "not now"}
    server = Server(refusal, status=409)
    with client(server) as api, pytest.raises(Refused, match="not now"):
        CALLS[expected](api)
    (request,) = server.requests

    assert expected == route(request)


def test_a_name_is_one_part_of_a_path() -> None:
    """Whatever a person types as a name, it reaches the route of that name and no other one."""
    server = Server({"type": "urn:mlplatform:UnknownName", "detail": "no"}, status=404)
    for name in ("a/b", "a?b=c", "a#b", "../pipelines", "a b"):
        with client(server) as api, pytest.raises(InvalidInput):
            api.model_status(name)
    last = [request.url.raw_path.decode().rpartition("/")[2] for request in server.requests]

    assert ["a%2Fb", "a%3Fb%3Dc", "a%23b", "..%2Fpipelines", "a%20b"] == last


def test_an_answer_becomes_a_record() -> None:
    """Answers have types; fields that a newer server adds are ignored."""
    server = Server(PROMOTION | {"a_later_field": 1})
    proposal = Proposal(version="3", why="passed all gates", gate_digest=SHA, champion=None)
    with client(server) as api:
        promotion = api.propose("churn", proposal)

    assert (7, "candidate", datetime(2026, 1, 1, tzinfo=UTC)) == (
        promotion.id,
        promotion.state,
        promotion.at,
    )
    assert server.body() == proposal.model_dump() | {"action": "propose"}


def test_an_answer_that_breaks_its_contract_is_an_error() -> None:
    """It is named with the field at fault, and nobody goes on with half an answer."""
    server = Server({key: value for key, value in PROMOTION.items() if key != "by"})
    with client(server) as api, pytest.raises(InvalidInput, match="not a Promotion") as error:
        api.decide("churn", "approve", why="good", version="3")

    assert "by" == error.value.field


def test_a_request_that_breaks_its_contract_is_not_sent() -> None:
    """The caller gets the error that the server would give, with the field's name."""
    server = Server(PROMOTION)
    with client(server) as api, pytest.raises(InvalidInput) as error:
        api.decide("churn", "approve", why="x" * 2_001, version="3")

    assert ("why", []) == (error.value.field, server.requests)


def test_no_answer_is_an_error_that_names_the_server() -> None:
    """A server out of reach is Unavailable, and nothing is repeated unless requested."""
    calls: list[str] = []

    def away(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        raise httpx.ConnectError("refused")

    with (
        client(away) as api,
        pytest.raises(Unavailable, match=r"the data API at http://data\.test"),
    ):
        api.balance()

    assert ["/v1/balance"] == calls


def test_labels_are_sent_as_they_are() -> None:
    """A class stays text, a number a number, and what is not given is not sent."""
    server = Server({"accepted": 3, "refused": []})
    labels = [
        RowLabel(request_id="a", label="yes"),
        RowLabel(request_id="b", row=1, label=3),
        RowLabel(request_id="b", row=2, label=True, pipeline="churn"),
    ]
    with client(server) as api:
        result = api.add_labels(labels)

    assert (3, []) == (result.accepted, result.refused)
    assert [
        {"request_id": "a", "row": 0, "label": "yes"},
        {"request_id": "b", "row": 1, "label": 3},
        {"request_id": "b", "row": 2, "label": True, "pipeline": "churn"},
    ] == server.body()["labels"]


def test_a_filter_may_name_a_kind() -> None:
    """A field of a filter that is called what the client calls the shape of a request."""
    server = Server({"dropped": 1, "skipped": []})
    with client(server) as api:
        api.drop_quarantined("churn", kind="import", why="sent again")

    assert "import" == server.body()["kind"]
