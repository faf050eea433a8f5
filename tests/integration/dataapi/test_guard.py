"""Every route: the right before anything is read, and an entry in the ledger for every act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr

from mlplatform.access import Role
from mlplatform.dataapi.app import inside
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.gathered import MOST_KINDS, OTHERS, GatheredLog
from mlplatform.dataapi.routes.guard import GuardedRoute
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Unauthenticated

MOST = 4096
ROLES = {
    "admin": Role.ADMIN,
    "trainer": Role.TRAINER,
    "approver": Role.APPROVER,
    "reader": Role.READER,
    "writer": Role.WRITER,
    "serving": Role.SERVING,
    "predictor": Role.PREDICT,
    "auditor": Role.AUDITOR,
}
VALUES = {
    "name": "manual-one",
    "digest": "d" * 64,
    "receipt_id": "r",
    "version": "1",
    "run": "f" * 32,
    "entry": 1,
    "letter": 1,
    "outbox_id": "018f0000-0000-7000-8000-000000000000",
}
RUN = VALUES["run"]
JSON = {"Content-Type": "application/json"}
MALFORMED: tuple[dict[str, Any], ...] = (
    {"params": {"nonsense": "1"}},
    {"content": b'\xff{"a"', "headers": JSON, "params": {"nonsense": "1"}},
    {"content": b"[" * 3_000, "headers": JSON, "params": {"nonsense": "1"}},
    {"content": iter([b"x"] * 3), "params": {"nonsense": "1"}},
)


@pytest.fixture
def api(start: Any, databases: Any, tmp_path: Path) -> Any:
    """A data API that takes small bodies."""
    return start(databases, tmp_path, max_body_bytes=MOST)


def routes(api: Any) -> Iterator[tuple[str, str, GuardedRoute]]:
    """Method, a path, and the route of everything that needs a right."""
    for each in iter_route_contexts(inside(api.collaborators).routes):
        route = each.original_route
        if isinstance(route, GuardedRoute):
            values = dict(VALUES)
            if "/datasets/" in route.path:
                values["name"] = "manual-one.requests"
            for method in route.methods:
                yield method, route.path_format.format(**values), route


def may(route: GuardedRoute, caller: str) -> bool:
    """By what the route declares."""
    return ROLES[caller] in {*route.needed.roles, Role.ADMIN}


def entered(api: Any) -> set[tuple[str, str, str]]:
    """Caller, route and outcome of all gathered entries."""
    return {
        (entry["caller"], entry["detail"].get("route", ""), entry["outcome"])
        for entry in api.ledger()
    }


def test_who_may_not_learns_nothing_of_a_request(api: Any) -> None:
    """403 before any 422 or 413: for garbage, missing parameters and a body that is too large."""
    codes, expected = {}, set()
    refused = [(caller, *each) for caller in ROLES for each in routes(api)]
    for caller, method, path, route in refused:
        if not may(route, caller):
            expected.add((caller, f"{method} {route.path}", "Forbidden"))
            for what in (*MALFORMED[:3], {"content": b"x" * (MOST + 1)}):
                answer = api.raw(caller, method, path, **what)
                codes[caller, method, path, str(what)[:40]] = answer.status_code

    assert {403} == set(codes.values())
    assert len(codes) > 200
    assert expected <= entered(api)


def test_who_has_no_token_learns_nothing_either(api: Any) -> None:
    """401, whatever is sent."""
    codes = {
        (method, path): api.raw("nobody", method, path, **MALFORMED[1]).status_code
        for method, path, _ in routes(api)
    }

    assert {401} == set(codes.values())
    assert len(codes) == api.refused("Unauthenticated")


def test_what_is_malformed_is_refused_and_entered(api: Any) -> None:
    """422 at every route for who may use it, with the reason in the ledger."""
    codes, expected = {}, set()
    for method, path, route in routes(api):
        expected.add(("admin", f"{method} {route.path}", "InvalidInput"))
        for number, what in enumerate(MALFORMED[:3]):
            codes[method, path, number] = api.raw("admin", method, path, **what).status_code

    assert {} == {key: code for key, code in codes.items() if code != 422}
    assert expected <= entered(api)
    reasons = {entry["detail"]["reason"] for entry in api.ledger(outcome="InvalidInput")}
    assert "unknown query parameter" in reasons
    assert all("not JSON" in each or "query" in each for each in reasons)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/balance?pipeline=manual-one"),
        ("GET", "/v1/quarantine?pipeline=manual-one"),
        ("GET", "/v1/datasets/manual-one.training"),
        ("GET", "/v1/models/manual-one"),
        ("PUT", "/v1/pipelines/manual-one"),
    ],
)
def test_another_pipeline_is_refused_before_anything_is_read(
    api: Any, method: str, path: str
) -> None:
    """The pipeline that a path or query names counts like the role."""
    answer = api.raw("stranger", method, path, params={"nonsense": 1, **_query(path)}, content="{")

    assert 403 == answer.status_code
    assert "on pipeline 'manual-one'" in answer.json()["detail"]


def _query(path: str) -> dict[str, str]:
    _, _, query = path.partition("?")
    return dict([query.split("=")]) if query else {}


ACTS: list[tuple[str, str, dict[str, Any], tuple[str, str, str]]] = [
    ("GET", "/v1/datasets", {}, ("view", "datasets", "ok")),
    ("GET", "/v1/datasets/manual-one.labels", {}, ("read", "manual-one.labels", "ok")),
    ("GET", "/v1/datasets/no-one.labels", {}, ("read", "no-one.labels", "UnknownName")),
    ("GET", "/v1/receipts/none", {}, ("view", "receipts.none", "UnknownName")),
    ("GET", "/v1/quarantine", {}, ("read", "quarantine", "ok")),
    ("GET", "/v1/quarantine/counts", {}, ("read", "quarantine", "ok")),
    ("GET", "/v1/quarantine/1", {}, ("read", "quarantine", "UnknownName")),
    ("GET", "/v1/balance", {}, ("view", "balance", "ok")),
    ("GET", "/v1/balance?pipeline=manual-one", {}, ("view", "manual-one.balance", "ok")),
    ("POST", "/v1/balance/proof", {}, ("prove", "balance", "ok")),
    ("GET", "/v1/queue", {}, ("view", "queue", "ok")),
    ("POST", "/v1/queue/reset", {"json": {"topic": "t"}}, ("reset", "queue.t", "UnknownName")),
    ("GET", "/v1/ledger", {}, ("read", "ledger", "ok")),
    ("GET", "/v1/pipelines", {}, ("view", "pipelines", "ok")),
    ("GET", "/v1/pipelines/manual-one", {}, ("view", "manual-one", "ok")),
    ("GET", "/v1/pipelines/no-one", {}, ("view", "no-one", "UnknownName")),
    ("GET", f"/v1/pipelines/manual-one/features/{'d' * 64}", {}, ("view", "manual-one", "ok")),
    ("GET", "/v1/pipelines/manual-one/runs", {}, ("view", "manual-one", "ok")),
    ("GET", f"/v1/pipelines/manual-one/runs/{RUN}", {}, ("view", "manual-one", "UnknownName")),
    (
        "POST",
        f"/v1/pipelines/manual-one/runs/{RUN}/cancel",
        {},
        ("cancel", "manual-one", "UnknownName"),
    ),
    (
        "PUT",
        f"/v1/pipelines/manual-one/runs/{RUN}/report",
        {"json": {"number": 1}},
        ("report", "manual-one", "Forbidden"),
    ),
    ("GET", "/v1/models/manual-one", {}, ("view", "manual-one", "ok")),
    ("GET", "/v1/models/manual-one/versions", {}, ("view", "manual-one", "ok")),
    ("GET", "/v1/models/no-one/promotions", {}, ("view", "no-one", "UnknownName")),
    ("GET", "/v1/nothing", {}, ("refused", "dataapi", "UnknownName")),
    ("PATCH", "/v1/ledger", {}, ("refused", "dataapi", "InvalidInput")),
    (
        "POST",
        "/v1/pipelines/no-one/runs",
        {"json": {"reason": "test"}},
        ("run", "no-one", "UnknownName"),
    ),
    (
        "POST",
        "/v1/models/manual-one/promotions",
        {"json": {"action": "rollback", "why": "test"}},
        ("rollback", "manual-one", "Refused"),
    ),
    (
        "POST",
        "/v1/datasets/manual-one.requests/rows",
        {"content": b"x", "headers": {"Content-Type": "image/png"}},
        ("write", "manual-one.requests", "UnsupportedMedia"),
    ),
    (
        "POST",
        "/v1/datasets/manual-one.requests/rows",
        {"content": b"x" * (MOST + 1), "headers": {"Content-Type": "text/csv"}},
        ("write", "manual-one.requests", "TooLarge"),
    ),
    (
        "POST",
        "/v1/feedback",
        {"content": iter([b"x" * MOST] * 2), "headers": JSON},
        ("label", "labels", "TooLarge"),
    ),
    (
        "POST",
        "/v1/feedback",
        {"content": b"{", "headers": JSON},
        ("label", "labels", "InvalidInput"),
    ),
]


def test_every_act_is_entered(api: Any) -> None:
    """What is done, viewed, unknown, in conflict, too large or nowhere: who, what, and the end."""
    missing = []
    for method, path, options, (action, subject, outcome) in ACTS:
        before = len(api.ledger(caller="admin", action=action, subject=subject, outcome=outcome))
        api.raw("admin", method, path, **options)
        after = api.ledger(caller="admin", action=action, subject=subject, outcome=outcome)
        if len(after) != before + 1:
            missing.append((method, path, outcome))

    assert [] == missing


def test_an_error_of_ours_is_entered(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 is an outcome like any other, whether a handler had begun or not."""
    monkeypatch.setattr(api.collaborators.balance, "_count", lambda _: 1 / 0)
    monkeypatch.setattr(api.collaborators.quarantine, "_warehouse", None)
    codes = [
        api.raw("admin", "GET", path).status_code for path in ("/v1/balance", "/v1/quarantine")
    ]

    assert [500, 500] == codes
    assert 1 == len(api.ledger(subject="balance", outcome="ZeroDivisionError"))
    assert 1 == len(api.ledger(subject="quarantine", outcome="AttributeError"))


def test_the_pages_of_operation_are_no_acts(api: Any) -> None:
    """What a cluster reads every few seconds says nothing about anybody's data."""
    before = len(api.ledger())
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert 200 == api.raw("admin", "GET", path).status_code

    assert before == len(api.ledger())


def test_the_ledger_that_is_read_is_complete(api: Any) -> None:
    """What was gathered is written before: who reads it sees what was done just before."""
    api.raw("reader", "GET", "/v1/balance")
    api.raw("reader", "GET", "/v1/balance", params={"nonsense": 1})
    found = api.call("admin", "GET", "/v1/ledger", params={"subject": "balance"})

    assert {"ok", "InvalidInput"} == {entry["outcome"] for entry in found}


def test_repeated_views_are_summed_up(api: Any, pool: PrimaryPool) -> None:
    """The first at once, the others once in ten minutes, with how many they were."""
    now = 0.0
    log = GatheredLog(AuditLog(pool), clock=lambda: now)
    for at in (0.0, 1.0, 2.0, 599.0, 601.0, 602.0):
        now = at
        log.add(Entry("serving", "view", "manual-one", detail={"route": "GET /"}))
        log._write(log._taken(at_once=False))

    assert [1, 4] == [
        entry["detail"]["times"] for entry in api.ledger(caller="serving", subject="manual-one")
    ]


def test_views_go_on_without_the_primary_and_are_entered_later(
    api: Any, databases: Any, pool: PrimaryPool
) -> None:
    """What can't be written stays, with its number and its beginning, until it can."""
    settings = databases.settings("dataapi")
    nowhere = PrimaryPool(SecretStr("host=127.0.0.1 port=1"), settings, name="warehouse")
    log = GatheredLog(AuditLog(pool))
    with pytest.MonkeyPatch.context() as away:
        away.setattr(log, "_audit", AuditLog(nowhere))
        for _ in range(3):
            log.add(Entry("reader", "view", "balance"))
        log.note("unknown", "/x", Unauthenticated("no"))
        log.flush()
    before = api.ledger(subject="balance")
    log.flush()

    assert [] == before
    assert [3] == [entry["detail"]["times"] for entry in api.ledger(subject="balance")]
    assert [1] == [entry["detail"]["times"] for entry in api.ledger(caller="unknown")]


def test_invented_subjects_fill_no_memory(pool: PrimaryPool) -> None:
    """Beyond a number of kinds the subject is left out, and nothing else."""
    log = GatheredLog(AuditLog(pool))
    for number in range(MOST_KINDS + 5):
        log.add(Entry("reader", "view", f"none-{number}", outcome="UnknownName"))
    sums = {each.entry.subject: each.times for each in log._taken(at_once=True)}

    assert MOST_KINDS + 1 == len(sums)
    assert 5 == sums[OTHERS]
