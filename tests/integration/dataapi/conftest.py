"""The data API on real databases, behind a real HTTP server."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from pydantic import SecretStr
from stored_runs import Runs

from mlplatform.access import digest
from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import read_dataset
from mlplatform.client.json_http import raise_for
from mlplatform.cluster.local import LocalCluster
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.dataapi.app import create_app
from mlplatform.dataapi.collaborators import Collaborators
from mlplatform.dataapi.main import build
from mlplatform.database import feature_rows, feature_sets, forget, progress, raw_requests
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.imported_labels import ImportedLabels
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.progress import Cursor
from mlplatform.database.quarantine import BadRow
from mlplatform.registry.store import ModelStore
from mlplatform.settings import AccessSettings, DataApiSettings, RedactionSettings, Settings
from mlplatform.web.server import Config

CALLERS: dict[str, dict[str, Any]] = {
    "admin": {"roles": ["admin"]},
    "trainer": {"roles": ["trainer"]},
    "approver": {"roles": ["approver"]},
    "reader": {"roles": ["reader"]},
    "writer": {"roles": ["writer"]},
    "limited": {"roles": ["writer"], "pipelines": ["auto-one"]},
    "serving": {"roles": ["serving"]},
    "predictor": {"roles": ["predict"]},
    "keeper": {"roles": ["retention"]},
    "auditor": {"roles": ["auditor"]},
    "narrow": {"roles": ["auditor"], "pipelines": ["auto-one"]},
    "stranger": {"roles": ["admin"], "pipelines": ["other-one"]},
}
FEATURES = [Feature(name="width", dtype="float64"), Feature(name="colour", dtype="string")]
DIGEST = "d" * 64


def definition(name: str, **changes: Any) -> dict[str, Any]:
    """A small pipeline: a number and a text in, a kind out."""
    document: dict[str, Any] = {
        "name": name,
        "description": "Kind of a flower by its width and colour.",
        "task": "classification",
        "columns": [
            {"name": "width", "dtype": "float64"},
            {"name": "colour", "dtype": "string", "nullable": True},
        ],
        "target": {"name": "kind", "dtype": "string", "values": ["rose", "daisy"]},
        "time": "seen_at",
        "tuning": {"metric": "accuracy"},
        "gates": [{"metric": "accuracy", "min": 0.5}],
        "approval": "manual",
    }
    return {**document, **changes}


def until(holds: Callable[[], Any], *, timeout_s: float = 20.0) -> Any:
    """Poll until `holds` gives something true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Api:
    """A running data API and the databases behind it."""

    url: str
    databases: Any
    collaborators: Collaborators
    runs: dict[str, str] = field(default_factory=dict)

    def client(self, name: str) -> DataApi:
        """A client with the token of that caller."""
        return DataApi(self.url, SecretStr(self.token(name)))

    def http(self, name: str) -> httpx.Client:
        """Plain HTTP with the token of that caller: what any program could send."""
        headers = {"Authorization": f"Bearer {self.token(name)}"}
        # Not encrypted; reading the machine's certificates would take most of a call's time.
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)

    def token(self, name: str) -> str:
        """The token of a caller; `run of <pipeline>` is a training run, which is begun for it."""
        pipeline = name.removeprefix("run of ")
        if pipeline == name:
            return f"token-{name}"
        if pipeline not in self.runs:
            with self.client("trainer") as client:
                self.runs[pipeline] = client.take_lease(pipeline, "a run", ttl_s=3600).token
        return self.runs[pipeline]

    def raw(self, caller: str, method: str, path: str, **options: Any) -> httpx.Response:
        """One call; the plain HTTP answer."""
        with self.http(caller) as http:
            return http.request(method, path, **options)

    def call(self, caller: str, method: str, path: str, **options: Any) -> Any:
        """One call; the JSON that it answers, or the error that it names."""
        answer = self.raw(caller, method, path, **options)
        raise_for(answer)
        return answer.json() if answer.content else None

    def apply(self, name: str, **changes: Any) -> None:
        """Apply the small pipeline."""
        body = {
            "definition": definition(name, **changes),
            "commit": "c0ffee",
            "features_digest": DIGEST,
        }
        self.call("admin", "PUT", f"/v1/pipelines/{name}", json=body)

    def send(self, name: str, rows: list[dict[str, Any]], **headers: str) -> Any:
        """Import rows as NDJSON."""
        body = "\n".join(json.dumps(row) for row in rows)
        headers = {"Content-Type": "application/x-ndjson", **headers}
        return self.call(
            "writer",
            "POST",
            f"/v1/datasets/{name}.requests/rows",
            content=body.encode(),
            headers=headers,
        )

    def featurise(self, name: str, *, requests: int = 1_000_000, shard: str = "raw") -> None:
        """What etl does with what is stored; `shard` is the raw server that `databases` are of.

        Rows without a width are bad, all others become feature rows.
        """
        with (
            self.databases.connect("etl", "raw") as raw,
            self.databases.connect("etl", "warehouse") as warehouse,
        ):
            with warehouse.transaction():
                found = feature_sets.find(warehouse, name, DIGEST)
                table = feature_sets.make_table(warehouse, found, FEATURES, None)
            cursors = [
                Cursor(name, DIGEST, topic, partition, shard=shard)
                for topic, partition in raw_requests.partitions(raw)
            ]
            for cursor in cursors:
                with warehouse.transaction():
                    progress.begin(warehouse, [cursor])
                    begin = progress.claim(warehouse, cursor)
                    found = raw_requests.read(
                        raw, cursor, next_offset=begin, requests=requests, rows=requests
                    )
                    outcome = _outcome(name, found)
                    feature_rows.store(warehouse, name, DIGEST, table, outcome)
                    forget.pass_over(warehouse, name, DIGEST, found)
                    after = found[-1].log_offset + 1 if found else begin
                    progress.advance(
                        warehouse,
                        cursor,
                        next_offset=after,
                        featured=len(outcome.ids),
                        quarantined=len(outcome.bad),
                    )
        self.databases.catch_up()

    def refused(self, outcome: str) -> int:
        """How often a request was refused for that reason before a handler, by the ledger."""
        return sum(
            entry["detail"].get("times", 0)
            for entry in self.ledger(outcome=outcome)
            if entry["action"] != "knock"  # of earlier versions
        )

    def ledger(self, **values: Any) -> list[dict[str, Any]]:
        """Ledger entries with these values, oldest first; what was gathered comes last."""
        self.collaborators.gathered.flush()
        columns = ("caller", "action", "subject", "columns", "rows", "lsn", "outcome", "detail")
        with self.databases.connect("dataapi", "warehouse") as connection:
            found = connection.execute(
                f"SELECT {', '.join(columns)} FROM control.ledger ORDER BY id"
            ).fetchall()
        entries = [dict(zip(columns, row, strict=True)) for row in found]
        return [
            entry
            for entry in entries
            if all(entry[name] == value for name, value in values.items())
        ]


def _outcome(pipeline: str, found: list[Any]) -> FeatureBatch:
    good, bad, labels = [], [], []
    for request, row, values in _rows(found):
        if isinstance(values.get("width"), float | int):
            good.append((request, row, values))
            if values.get("kind"):
                labels.append((request.request_id, row, values["kind"]))
        else:
            bad.append(BadRow(request.request_id, row, "width", "not a number", values))
    return FeatureBatch(
        ids=[request.request_id for request, _, _ in good],
        rows=[row for _, row, _ in good],
        times=np.array(
            [
                (
                    datetime.fromisoformat(values["seen_at"])
                    if "seen_at" in values
                    else request.received_at
                )
                .astimezone(UTC)
                .replace(tzinfo=None)
                for request, _, values in good
            ],
            dtype="datetime64[us]",
        ),
        keys=[values.get("person") for _, _, values in good],
        features={
            "width": np.array([float(values["width"]) for _, _, values in good], dtype=np.float64),
            "colour": np.array([values.get("colour") for _, _, values in good], dtype=object),
        },
        labels=ImportedLabels(
            [request_id for request_id, _, _ in labels],
            [row for _, row, _ in labels],
            np.full(len(labels), np.nan),
            np.array([text for _, _, text in labels], dtype=object),
        ),
        bad=bad,
    )


def _rows(found: list[Any]) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    for request in found:
        columns = json.loads(request.inputs)
        for row in sorted(set(range(request.rows)).difference(request.forgotten)):
            yield request, row, {name: column[row] for name, column in columns.items()}


def tokens(folder: Path) -> Path:
    """The token file of CALLERS."""
    file = folder / "tokens.json"
    entries = [
        {"name": name, "sha256": digest(f"token-{name}"), **entry}
        for name, entry in CALLERS.items()
    ]
    file.write_text(json.dumps({"tokens": entries}))
    return file


@contextmanager
def serving(collaborators: Collaborators) -> Iterator[str]:
    """The application under our server in a thread; gives its address."""
    config = Config(
        create_app(collaborators),
        host="127.0.0.1",
        port=0,
        drain_s=30.0,
        receive_s=30.0,
        max_connections=100,
        address_share=1.0,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def collaborate(
    databases: Any,
    folder: Path,
    *,
    argv: tuple[str, ...] = (sys.executable, "-c", ""),
    postgres: dict[str, Any] | None = None,
    registry: str = "http://127.0.0.1:1",
    redaction_key: str | None = "k" * 32,
    **limits: Any,
) -> Collaborators:
    """Collaborators on fresh databases; trainings are children that run `argv`.

    `postgres` changes the database settings. By default no MLflow is there.
    """
    environment = folder / "trainer.json"
    environment.write_text(json.dumps({"MLPLATFORM_DATAAPI__URL": "http://127.0.0.1:1"}))
    settings = Settings(
        postgres=databases.settings("dataapi").model_copy(update=postgres or {}),
        access=AccessSettings(tokens_file=tokens(folder)),
        redaction=RedactionSettings(key=redaction_key),
        dataapi=DataApiSettings(**{"rate_per_s": 1e6, "burst": 1_000_000, **limits}),
    )
    cluster = LocalCluster(environment, folder / "logs", argv=argv)
    return build(settings, cluster=cluster, registry=ModelStore(registry))


@pytest.fixture
def pool(databases: Any) -> Iterator[PrimaryPool]:
    """The data API's warehouse."""
    settings = databases.settings("dataapi")
    pool = PrimaryPool(settings.warehouse_dsn, settings, name="warehouse")
    yield pool
    pool.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    """Start data APIs with other limits.

    `start(databases, folder, argv=…, postgres=…, registry=…, **settings of dataapi)`; the
    pipelines are applied.
    """
    with ExitStack() as stack:

        def begin(databases: Any, folder: Path, **options: Any) -> Api:
            collaborators = collaborate(databases, folder, **options)
            found = Api(stack.enter_context(serving(collaborators)), databases, collaborators)
            found.apply("manual-one")
            found.apply("auto-one", approval="auto")
            databases.catch_up()
            return found

        yield begin


@pytest.fixture
def api(start: Callable[..., Api], databases: Any, tmp_path: Path) -> Api:
    """A data API with `manual-one` and `auto-one` applied."""
    return start(databases, tmp_path)


@pytest.fixture
def runs(start: Callable[..., Api], databases: Any, tmp_path: Path, mlflow: Any) -> Iterator[Runs]:
    """Runs against a data API that reads from a real MLflow, whose versions count from 1."""
    api, receipts = start(databases, tmp_path, registry=mlflow.url), {}
    for name in ("manual-one", "auto-one"):
        api.featurise(name)
        with api.client(f"run of {name}") as client:
            receipts[name] = read_dataset(client, f"{name}.training", DatasetQuery()).receipt
    yield Runs(api, mlflow.url, receipts, {})
    for name in receipts:
        address = f"{mlflow.url}/api/2.0/mlflow/registered-models/delete"
        httpx.request("DELETE", address, json={"name": name}, timeout=30)


@pytest.fixture
def wait() -> Callable[..., Any]:
    """Poll until something holds, and return it."""
    return until
