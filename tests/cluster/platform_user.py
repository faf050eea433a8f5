"""What users of the platform do over HTTP: import, train, predict, look at the balance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from kind_cluster import RELEASE, Cluster, until
from pydantic import SecretStr

from mlplatform.client.dataapi import NDJSON, DataApi
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.local.tour import history
from mlplatform.retry import retry

SERVING = "http://127.0.0.1:18080"
DATAAPI = "http://127.0.0.1:18081"
TARGETS = {"breast-cancer": "diagnosis", "diabetes": "progression", "late-delivery": "outcome"}
PIPELINES = tuple(TARGETS)
BOOSTED = "late-boosted"
"""Its files are in this folder; its rows are those of late-delivery."""


@dataclass(frozen=True)
class Answer:
    """One request of a load and what came of it."""

    code: int  # 0: no answer at all
    id: str
    version: str
    seconds: float
    said: str


@dataclass
class Load:
    """Requests at a bounded rate, from some connections, until `stop`.

    Each connection is kept, as clients do.
    """

    token: str
    pipeline: str = "breast-cancer"
    workers: int = 3
    per_second: float = 20.0
    rows: int = 1
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows = unlabelled(self.pipeline)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(index,), daemon=True)
            for index in range(self.workers)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def failed(self) -> list[Answer]:
        """What was not answered with 200."""
        return [answer for answer in self.answers if answer.code != 200]

    def ids(self) -> set[str]:
        """Ids of the answered requests."""
        return {answer.id for answer in self.answers if answer.code == 200}

    def summary(self) -> str:
        """Codes and times, for people."""
        times = sorted(answer.seconds for answer in self.answers if answer.code == 200) or [0.0]
        codes = dict(Counter(answer.code for answer in self.answers))
        speed = f"p50 {times[len(times) // 2] * 1e3:.0f} ms, max {times[-1] * 1e3:.0f} ms"
        return f"{len(self.answers)} requests {codes}, {speed}"

    def _work(self, index: int) -> None:
        pause, number = self.workers / self.per_second, index
        with httpx.Client(
            base_url=SERVING, headers={"Authorization": f"Bearer {self.token}"}, timeout=30
        ) as client:
            due = time.monotonic()
            while not self._over.is_set():
                rows = [
                    self._rows[(number + offset) % len(self._rows)] for offset in range(self.rows)
                ]
                self.answers.append(ask(client, self.pipeline, rows))
                number += self.workers
                due = max(
                    due + pause, time.monotonic() - 1.0
                )  # a pause of the server is not made up for by a flood
                self._over.wait(max(0.0, due - time.monotonic()))


def ask(client: httpx.Client, pipeline: str, rows: Sequence[dict[str, Any]]) -> Answer:
    """One prediction."""
    begun = time.monotonic()
    try:
        answer = client.post(f"/v1/models/{pipeline}/predict", json={"rows": list(rows)})
    except httpx.HTTPError as error:
        return Answer(0, "", "", time.monotonic() - begun, repr(error))
    body = answer.json() if answer.status_code == 200 else {}
    return Answer(
        answer.status_code,
        body.get("id", ""),
        body.get("version", ""),
        time.monotonic() - begun,
        answer.text[:300],
    )


def sample(pipeline: str) -> str:
    """The sample whose rows a pipeline takes."""
    return "late-delivery" if pipeline == BOOSTED else pipeline


def unlabelled(pipeline: str) -> list[dict[str, Any]]:
    """Rows for requests, without the keys and what a caller does not know."""
    hidden = (TARGETS[sample(pipeline)], "sample", "patient", "parcel")
    return [
        {name: value for name, value in row.items() if name not in hidden}
        for row in history.live(sample(pipeline))
    ]


@dataclass(frozen=True)
class User:
    """Somebody with tokens."""

    cluster: Cluster

    def token(self, caller: str) -> str:
        """The bearer token of a caller."""
        return self.cluster.secret(f"{RELEASE}-access", caller)

    @contextmanager
    def dataapi(self, caller: str = "admin") -> Iterator[DataApi]:
        """A client of the data API."""
        with DataApi(DATAAPI, SecretStr(self.token(caller)), timeout_s=120) as client:
            yield client

    def champion(self, pipeline: str) -> str:
        """The promoted version; "" when there is none."""
        with self.dataapi() as client:
            found = client.model_status(pipeline).champion
        return found.version if found else ""

    def served(self, pipeline: str = "breast-cancer") -> str:
        """The version that answers; "" when nothing does."""
        row = Load(self.token("client"), pipeline)._rows[0]
        with httpx.Client(
            base_url=SERVING,
            headers={"Authorization": f"Bearer {self.token('client')}"},
            timeout=10,
        ) as client:
            return ask(client, pipeline, [row]).version

    def probabilities(self, pipeline: str) -> tuple[str, list[dict[str, float]]]:
        """The version that answers, and what it says of some rows."""
        headers = {"Authorization": f"Bearer {self.token('client')}"}
        body = {"rows": unlabelled(pipeline)[:20]}
        with httpx.Client(base_url=SERVING, headers=headers, timeout=10) as client:
            answer = client.post(f"/v1/models/{pipeline}/predict", json=body)
        answer.raise_for_status()
        said = answer.json()
        return said["version"], said["probabilities"]

    def import_history(self, pipeline: str) -> None:
        """Send the example's history through the data API."""
        lines = "\n".join(json.dumps(row) for row in history.history(sample(pipeline)))
        with self.dataapi() as client:
            client.import_rows(pipeline, lines.encode(), media=NDJSON)

    def retrain(self, pipeline: str, job: str, *, seconds: float = 300) -> str:
        """Train as the documentation says, with kubectl; how the Job ended."""
        self.cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-trainer-{pipeline}", job)
        return self.cluster.job_done(job, seconds=seconds)

    def balance(self) -> BalanceSheet:
        """The balance; counted again while others have it counted, or a standby lags."""
        with self.dataapi() as client:
            return retry(client.balance, seconds=20)

    def closed_balance(self, *, seconds: float = 180) -> BalanceSheet:
        """The balance, once all that was accepted is stored and every row has its place."""

        def closed() -> BalanceSheet | None:
            sheet = self.balance()
            whole = all(
                box.accepted == box.stored + box.dead_lettered and not box.missing
                for box in sheet.outboxes
            )
            return (
                sheet if whole and not any(line.waiting for line in sheet.rows.values()) else None
            )

        return until("the balance closes", closed, seconds=seconds, every=2)

    def stored_ids(self, pipeline: str) -> set[str]:
        """Ids of all requests in the data, read from the standby."""
        with self.dataapi() as client:
            query = DatasetQuery(columns=("request_id",))
            found = client.dataset_rows(f"{pipeline}.requests", query)
        return {row["request_id"] for row in found.rows}

    def receipt(self, pipeline: str) -> Receipt:
        """Read a dataset to its end; its receipt.

        A refusal and a stream that was broken off are PlatformErrors.
        """
        with self.dataapi() as client:
            found = client.dataset_rows(f"{pipeline}.requests", DatasetQuery(limit=10))
            return client.receipt(found.receipt_id)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of ours on the release, as somebody types it who has a token."""
        named = {
            "MLPLATFORM_DATAAPI__URL": DATAAPI,
            "MLPLATFORM_DATAAPI__TOKEN": self.token("admin"),
        }
        return subprocess.run(
            [sys.executable, "-m", "mlplatform", *words],
            env=os.environ | named,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    @contextmanager
    def load(self, **options: Any) -> Iterator[Load]:
        """Requests in the background while something happens.

        All of them are answered when it ends.
        """
        made = Load(self.token("client"), **options)
        made.start()
        try:
            yield made
        finally:
            made.stop()
            print(f"\n  load: {made.summary()}")
