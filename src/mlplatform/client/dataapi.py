"""The data API: one typed method per call.

Every method blocks and raises the error that the server raised (`mlplatform.errors`), Unavailable
when there is no answer, and InvalidInput for an answer that breaks its contract.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from mlplatform.client.dead_letter_calls import DeadLetterCalls
from mlplatform.client.evidence_calls import EvidenceCalls
from mlplatform.client.forget_calls import ForgetCalls
from mlplatform.client.json_http import JsonHttp, parse, parse_list, raise_for, request
from mlplatform.client.quarantine_calls import QuarantineCalls
from mlplatform.client.retention_calls import RetentionCalls
from mlplatform.client.run_calls import RunCalls
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery, KnownReceipt
from mlplatform.contracts.imports import ImportResult
from mlplatform.contracts.labels import LabelsResult, RowLabel
from mlplatform.contracts.lease import Lease, LeaseReleased, LeaseRenewal, LeaseRequest
from mlplatform.contracts.ledger import LedgerEntry
from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.contracts.pipeline_status import AppliedPipeline, ApplyRequest, FeaturesProgress
from mlplatform.contracts.promotion import (
    Action,
    ModelFacts,
    ModelStatus,
    ModelVersion,
    Promotion,
    PromotionRequest,
    Proposal,
    VerifiedFiles,
)
from mlplatform.contracts.queue_offsets import QueueReset, QueueState

NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class DatasetRows:
    """Rows of a dataset (column -> value; JSON columns are text) and the id of their receipt."""

    rows: Sequence[dict[str, Any]]
    receipt_id: str


class DataApi(
    RunCalls, QuarantineCalls, DeadLetterCalls, EvidenceCalls, RetentionCalls, ForgetCalls
):
    """A client with one connection pool; use as a context manager. Safe to share between threads.

    With `retry_s` every call that another try may help is repeated for so many seconds: the data
    API recognises what it was sent before, so all calls are safe to repeat. Without it nothing is.
    """

    def __init__(
        self,
        url: str,
        token: SecretStr | None,
        *,
        timeout_s: float = 30.0,
        retry_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(
            JsonHttp("the data API", url, token, timeout_s=timeout_s, retry_s=retry_s, sleep=sleep)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def ready(self) -> dict[str, str]:
        """What the data API can't do at present -> why; empty when all is well.

        Raises Unavailable that says what is missing when it can do nothing.
        """
        degraded: dict[str, str] = self._http.get("/readyz").get("degraded", {})
        return degraded

    # Pipelines

    def apply(self, name: str, definition: ApplyRequest) -> AppliedPipeline:
        """Apply a definition; needs the role admin. The last one holds."""
        return parse(AppliedPipeline, self._http.put(_pipeline(name), definition))

    def pipelines(self) -> list[AppliedPipeline]:
        """The applied pipelines that the caller may use, by name."""
        return parse_list(AppliedPipeline, self._http.get("/v1/pipelines"))

    def pipeline(self, name: str) -> AppliedPipeline:
        """One applied pipeline. Raises UnknownName."""
        return parse(AppliedPipeline, self._http.get(_pipeline(name)))

    def features_progress(
        self, name: str, digest: str, *, stored_before: datetime | None = None
    ) -> FeaturesProgress:
        """How far etl is with a features digest.

        Ready means: with all requests stored until `stored_before` (None: until now). Raises
        UnknownName for a digest that was never applied.
        """
        moment = None if stored_before is None else stored_before.isoformat()
        path = f"{_pipeline(name)}/features/{quote(digest, safe='')}"
        return parse(FeaturesProgress, self._http.get(path, stored_before=moment))

    # The right to train

    def take_lease(
        self, name: str, holder: str, *, ttl_s: float, job: str = "", reason: str = ""
    ) -> Lease:
        """Take the right to train for `ttl_s` seconds; the answer has the token of the run.

        The same holder may take it again: a token whose answer was lost is replaced by another.
        Raises LeaseHeld while another holder has it; CutShort when the run of that Job has ended
        before it began, say since it was cancelled.
        """
        body = request(LeaseRequest, holder=holder, ttl_s=ttl_s, job=job, reason=reason)
        # What is empty is not sent: an older data API refuses fields that it does not know.
        sent = body.model_dump(mode="json", exclude_defaults=True)
        return parse(Lease, self._http.call("POST", f"{_pipeline(name)}/lease", json=sent).json())

    def renew_lease(self, name: str, *, ttl_s: float) -> Lease:
        """Renew the right to train, with the run's own token. Raises Unauthenticated once it ended.

        The token lives as long as the lease.
        """
        body = request(LeaseRenewal, ttl_s=ttl_s)
        return parse(Lease, self._http.put(f"{_pipeline(name)}/lease", body))

    def release_lease(self, name: str, holder: str | None = None) -> bool:
        """Give the right to train back: a holder's, or (None) that of the run whose token it is.

        False when it has none (any more).
        """
        answer = self._http.delete(f"{_pipeline(name)}/lease", holder=holder)
        return parse(LeaseReleased, answer).released

    # Models

    def model_status(self, name: str) -> ModelStatus:
        """What serves and what waits."""
        return parse(ModelStatus, self._http.get(_model(name)))

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, oldest first."""
        return parse_list(ModelVersion, self._http.get(f"{_model(name)}/versions"))

    def promotions(self, name: str) -> list[Promotion]:
        """The promotion record of a model, latest first."""
        return parse_list(Promotion, self._http.get(f"{_model(name)}/promotions"))

    def register(self, name: str, facts: ModelFacts) -> ModelVersion:
        """Record a version that is stored in the registry.

        Raises Refused when this version is known with other facts.
        """
        return parse(ModelVersion, self._http.post(f"{_model(name)}/versions", facts))

    def mark_verified(self, name: str, version: str, *, manifest_sha256: str) -> ModelVersion:
        """Record that a version's files, downloaded again, are those of its manifest."""
        path = f"{_model(name)}/versions/{quote(version, safe='')}/verified"
        body = request(VerifiedFiles, manifest_sha256=manifest_sha256)
        return parse(ModelVersion, self._http.post(path, body))

    def propose(self, name: str, proposal: Proposal) -> Promotion:
        """Propose a version. With `approval: auto` the answer is its promotion."""
        return self._promotion(
            name, request(PromotionRequest, action="propose", **proposal.model_dump())
        )

    def decide(
        self, name: str, action: Action, *, why: str, version: str | None = None
    ) -> Promotion:
        """Approve, promote, roll back, withdraw or reject a version.

        A rollback without a version goes to the champion before this one; a withdrawal without one
        takes the champion away.

        Raises Refused that says what is missing.
        """
        return self._promotion(
            name, request(PromotionRequest, action=action, version=version, why=why)
        )

    def _promotion(self, name: str, body: PromotionRequest) -> Promotion:
        return parse(Promotion, self._http.post(f"{_model(name)}/promotions", body))

    # Data

    def datasets(self) -> list[DatasetDescription]:
        """The contracts of all datasets that the caller may read."""
        return parse_list(DatasetDescription, self._http.get("/v1/datasets"))

    def dataset_rows(self, name: str, query: DatasetQuery) -> DatasetRows:
        """A small dataset as rows; nothing proves that they are all.

        See `mlplatform.client.dataset.download` for a proven one.
        """
        answer = self._http.call(
            "GET", _dataset(name), params=parameters(query), headers={"Accept": NDJSON}
        )
        rows = [json.loads(line) for line in answer.text.splitlines()]
        return DatasetRows(rows, answer.headers["X-Receipt-Id"])

    @contextmanager
    def stream_dataset(
        self, name: str, query: DatasetQuery, *, media: str, timeout_s: float
    ) -> Iterator[httpx.Response]:
        """A response whose rows are not read yet; `timeout_s` bounds the wait for each piece.

        Never repeated. See `mlplatform.client.dataset` for the reading, and for what httpx raises
        when the stream breaks off.
        """
        http, headers = self._http.http, {"Accept": media}
        timeout = httpx.Timeout(http.timeout.connect, read=timeout_s)
        try:
            with http.stream(
                "GET", _dataset(name), params=parameters(query), headers=headers, timeout=timeout
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise_for(answer)
                yield answer
        except httpx.ConnectError as error:
            raise self._http.no_answer(error) from error

    def receipt(self, receipt_id: str) -> KnownReceipt:
        """The proof of a complete read. Raises UnknownName for a stream that broke off."""
        return parse(KnownReceipt, self._http.get(f"/v1/receipts/{quote(receipt_id, safe='')}"))

    def import_rows(
        self, name: str, body: bytes, *, media: str, key: str | None = None
    ) -> ImportResult:
        """Add history rows of a pipeline; the same body with the same key is stored once.

        Without a key each call stores the rows again.
        """
        headers = {"Content-Type": media} | ({"Idempotency-Key": key} if key else {})
        path = f"{_dataset(f'{name}.requests')}/rows"
        return parse(ImportResult, self._http.post(path, content=body, headers=headers))

    def add_labels(self, labels: Sequence[RowLabel]) -> LabelsResult:
        """Send what turned out to be true. A later label of a row corrects the earlier one."""
        items = [label.model_dump(mode="json", exclude_none=True) for label in labels]
        return parse(LabelsResult, self._http.post("/v1/feedback", json={"labels": items}))

    # Records

    def report_outbox(self, outbox_id: str, report: OutboxReport) -> OutboxAnswer:
        """Say what an outbox holds. Lower numbers than before don't count."""
        path = f"/v1/outboxes/{quote(outbox_id, safe='')}"
        return parse(OutboxAnswer, self._http.post(path, report))

    def queue(self) -> QueueState:
        """How far the queue is stored; needs the role admin."""
        return parse(QueueState, self._http.get("/v1/queue"))

    def reset_queue(self, topic: str) -> QueueState:
        """Give up the stored offsets of a topic; returns what was given up. Needs admin."""
        return parse(
            QueueState, self._http.post("/v1/queue/reset", request(QueueReset, topic=topic))
        )

    def balance(self, pipeline: str | None = None) -> BalanceSheet:
        """Every accepted request, and every raw row of a pipeline (None: of all), accounted for.

        Raises Overloaded while another balance is being counted.
        """
        return parse(BalanceSheet, self._http.get("/v1/balance", pipeline=pipeline))

    def ledger(self, subject: str | None = None, *, limit: int = 100) -> list[LedgerEntry]:
        """Who accessed which data, newest first; needs the role admin."""
        return parse_list(LedgerEntry, self._http.get("/v1/ledger", subject=subject, limit=limit))


def parameters(query: DatasetQuery) -> dict[str, Any]:
    """The query as URL parameters."""
    given = query.model_dump(mode="json", exclude_none=True)
    if query.marks:
        given["marks"] = ",".join(f"{shard}:{mark}" for shard, mark in query.marks.items())
    return given | ({"columns": ",".join(query.columns)} if query.columns else {})


def _pipeline(name: str) -> str:
    return f"/v1/pipelines/{quote(name, safe='')}"


def _model(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"


def _dataset(name: str) -> str:
    return f"/v1/datasets/{quote(name, safe='')}"
