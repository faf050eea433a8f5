"""`mlplatform retention`: what it says of a run, and of holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from mlplatform.cli import legal_hold, retention
from mlplatform.client.retention_calls import RetentionCalls
from mlplatform.contracts.balance import BalanceDifference, BalanceSheet, RequestsBalance
from mlplatform.contracts.removed import Removed
from mlplatform.contracts.retention import Hold, RetentionPlan, RetentionStep
from mlplatform.errors import StandbyLagging

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Http:
    """Answers as the data API: requests take three calls."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.proofs = 0
        self.away = False
        self.differences: dict[int, list[BalanceDifference]] = {}
        requests = RequestsBalance(stored=6, dead_lettered=0)
        self.sheet = BalanceSheet(outboxes=[], requests=requests, rows={}, proven_at=AT)

    def get(self, _: str) -> Any:
        """The plan: requests of two pipelines, and labels of one."""
        steps = [("requests", "a-b"), ("requests", "c-d"), ("labels", "a-b"), ("ledger", None)]
        plan = [
            RetentionStep(kind=kind, pipeline=name, days=30, before=AT)  # type: ignore[arg-type]
            for kind, name in steps
        ]
        hold = Hold(pipeline="c-d", why="case 7", by="me", at=AT)
        return RetentionPlan(steps=plan, holds=[hold]).model_dump(mode="json")

    def post(self, path: str, body: Any = None, **_: Any) -> Any:
        """Some of it; a proof of the balance when the standby has caught up."""
        if body is None:
            self.proofs += 1
            if self.proofs == 1 or self.away:
                raise StandbyLagging("not there yet", retry_after_s=0.01)
            found = {"differences": self.differences.get(self.proofs, [])}
            return self.sheet.model_copy(update=found).model_dump(mode="json")
        self.bodies.append(body.model_dump(mode="json"))
        if "holds" in path:
            name = path.split("/")[4]
            return {"pipeline": name, "why": body.why, "by": "me", "at": AT.isoformat()}
        kind, calls = body.kind, sum(each["kind"] == body.kind for each in self.bodies)
        items = 2 if kind == "requests" else 0
        more = kind == "requests" and calls < 3
        kept = {"a receipt": 4} if kind == "labels" else {}
        found = Removed(
            kind=kind, pipeline=body.pipeline, items=items, rows=items, size=100, more=more,
            kept=kept, names=["requests_202601"] if calls == 1 and items else [],
        )  # fmt: skip
        return found.model_dump(mode="json")


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Http:
    """The command line talks to it."""
    found = Http()

    @contextmanager
    def dataapi(*_: Any) -> Iterator[RetentionCalls]:
        yield RetentionCalls(found)  # type: ignore[arg-type]

    for module in (retention, legal_hold):
        monkeypatch.setattr(module, "connect", lambda _: SimpleNamespace(dataapi=dataapi))
    return found


def run(*words: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(retention.app, list(words))
    assert 0 == done.exit_code, done.output
    return done.output


def test_a_run_goes_on_while_there_is_more(http: Http) -> None:
    """Each kind is asked for until it is done, requests of all pipelines together."""
    found = json.loads(run("run", "--json"))

    assert [("requests", None)] * 3 + [("labels", "a-b"), ("ledger", None)] == [
        (body["kind"], body["pipeline"]) for body in http.bodies
    ]
    assert [6, 0, 0] == [each["items"] for each in found["removed"]]
    assert {False} == {body["dry_run"] for body in http.bodies}


def test_a_run_begins_and_ends_with_a_proof_of_the_balance(http: Http) -> None:
    """It waits for the standby, and ends with 1 when rows are gone that were there before."""
    closed = run("run")
    gone = BalanceDifference(of="0f2c", what="records", kept=6, found=4, numbers=[(2, 3)])
    http.differences = {4: [gone]}  # the next proof
    broken = CliRunner().invoke(retention.app, ["run"])
    proofs = http.proofs
    run("run", "--dry-run")

    assert "there on 2026-03-01 12:00:00 UTC were counted then" in closed
    assert 1 == broken.exit_code
    assert "0f2c: 4 records, and 6 were proven; gone: 2-3" in broken.output
    assert (5, 5) == (proofs, http.proofs)


def test_what_is_past_goes_without_a_standby_too(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the balance is not proven."""
    monkeypatch.setattr(retention, "PROOF_S", 0.0)
    http.away = True
    done = CliRunner().invoke(retention.app, ["run"])

    assert 0 == done.exit_code
    assert "the balance is not proven: not there yet" in done.output
    assert 5 == len(http.bodies)


def test_a_dry_run_says_what_would_go_and_what_stays(http: Http) -> None:
    """With whole partitions and the reason of what is kept."""
    text = run("run", "--dry-run")

    assert {True} == {body["dry_run"] for body in http.bodies}
    assert "WOULD GO" in text
    assert "whole: requests_202601" in text
    assert "4 stay: a receipt" in text


def test_holds_need_a_reason(http: Http) -> None:
    """It is sent along; without one nothing is."""
    refused = CliRunner().invoke(retention.app, ["hold", "a-b"])
    held = run("hold", "a-b", "--why", "case 7")
    released = run("release", "a-b", "--why", "closed")

    assert 2 == refused.exit_code
    assert ["case 7", "closed"] == [body["why"] for body in http.bodies]
    assert "a-b is under a legal hold" in held
    assert "no legal hold any more" in released


def test_the_plan_is_shown(http: Http) -> None:
    """Every kind with its days."""
    text = run("show")

    assert "2026-03-01" in text
    assert "ledger" in text
    assert not http.bodies
