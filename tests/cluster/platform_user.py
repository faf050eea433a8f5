"""What users of the platform do over HTTP: import, train, predict, look at the books."""

from __future__ import annotations

import json
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

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import PlatformError
from mlplatform.local.tour import history
from mlplatform.retry import retry

SERVING = "http://127.0.0.1:18080"
DATAAPI = "http://127.0.0.1:18081"
TARGETS = {"breast-cancer": "diagnosis", "diabetes": "progression", "late-delivery": "outcome"}
PIPELINES = tuple(TARGETS)


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
        hidden = (
            TARGETS[self.pipeline],
            "sample",
            "patient",
            "parcel",
        )  # what a caller does not know, and the keys
        self._rows = [
            {name: value for name, value in row.items() if name not in hidden}
            for row in history.live(self.pipeline)
        ]
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
        with DataApi(DATAAPI, SecretStr(self.token(caller)), timeout_s=60) as client:
            yield client

    def champion(self, pipeline: str) -> str:
        """The promoted version; "" when there is none."""
        with self.dataapi() as client:
            found = client.get(f"/v1/models/{pipeline}")["champion"]
        return str(found["version"]) if found else ""

    def served(self, pipeline: str = "breast-cancer") -> str:
        """The version that answers; "" when nothing does."""
        row = Load(self.token("client"), pipeline)._rows[0]
        with httpx.Client(
            base_url=SERVING,
            headers={"Authorization": f"Bearer {self.token('client')}"},
            timeout=10,
        ) as client:
            return ask(client, pipeline, [row]).version

    def import_history(self, pipeline: str) -> None:
        """Send the example's history through the data API."""
        lines = "\n".join(json.dumps(row) for row in history.history(pipeline))
        with self.dataapi() as client:
            answer = client.http.post(
                f"/v1/datasets/{pipeline}.requests/rows",
                content=lines,
                headers={"Content-Type": "application/x-ndjson"},
                timeout=120,
            )
        answer.raise_for_status()

    def retrain(self, pipeline: str, job: str, *, seconds: float = 300) -> str:
        """Train as the documentation says, with kubectl; how the Job ended."""
        self.cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-trainer-{pipeline}", job)
        return self.cluster.job_done(job, seconds=seconds)

    def balance(self) -> dict[str, Any]:
        """The books; asked again while others have them counted, or a standby lags."""
        with self.dataapi() as client:
            return dict(retry(lambda: client.get("/v1/balance"), seconds=20))

    def closed_balance(self, *, seconds: float = 180) -> dict[str, Any]:
        """The balance, once all that was accepted is stored and every row has its place."""

        def closed() -> dict[str, Any] | None:
            books = self.balance()
            whole = all(
                box["accepted"] == box["stored"] + box["dead_lettered"] and not box["missing"]
                for box in books["outboxes"]
            )
            return (
                books
                if whole and not any(line["waiting"] for line in books["rows"].values())
                else None
            )

        return until("the balance closes", closed, seconds=seconds, every=2)

    def stored_ids(self, pipeline: str) -> set[str]:
        """Ids of all requests in the data, read from the standby."""
        with self.dataapi() as client:
            answer = client.http.get(
                f"/v1/datasets/{pipeline}.requests",
                params={"columns": "request_id"},
                headers={"Accept": "application/x-ndjson"},
                timeout=120,
            )
        answer.raise_for_status()
        return {json.loads(line)["request_id"] for line in answer.text.splitlines()}

    def receipt(self, pipeline: str) -> dict[str, Any]:
        """Read a dataset to its end; its receipt.

        A refusal and a stream that was broken off are PlatformErrors.
        """
        with self.dataapi() as client:
            try:
                answer = client.http.get(
                    f"/v1/datasets/{pipeline}.requests",
                    params={"limit": 10},
                    headers={"Accept": "application/x-ndjson"},
                )
            except httpx.HTTPError as error:
                raise PlatformError(f"broken off: {error!r}") from error
            if not answer.is_success:
                raise PlatformError(answer.text)
            return dict(client.get(f"/v1/receipts/{answer.headers['X-Receipt-Id']}"))

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
