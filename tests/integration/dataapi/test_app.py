"""The pages of operation."""

from __future__ import annotations

import time
from typing import Any

import pytest


def test_pages_of_operation_are_open_and_true(api: Any) -> None:
    """Alive, ready, metrics by route, and every route with its refusals, without a token."""
    api.raw("reader", "GET", "/v1/pipelines/manual-one")
    api.raw("reader", "GET", "/v1/something/else")
    with api.http("nobody") as http:
        alive, ready = http.get("/healthz").json(), http.get("/readyz").json()
        metrics = http.get("/metrics").text
        description = http.get("/openapi.json").json()

    assert ({"status": "alive"}, {"status": "ready"}) == (alive, ready)
    assert (
        'mlplatform_dataapi_requests_total{code="200",route="GET /v1/pipelines/{name}"}' in metrics
    )
    assert "something" not in metrics
    assert "429" in description["paths"]["/v1/feedback"]["post"]["responses"]
    assert "labels" in str(description["paths"]["/v1/feedback"]["post"]["requestBody"])


def test_an_unready_database_is_named(databases: Any, tmp_path: Any, start: Any) -> None:
    """While a database is away, readiness says which one, and requests get 503 with Retry-After."""
    api = start(databases, tmp_path)
    with databases.cluster.superuser() as connection:
        connection.execute(f"ALTER DATABASE {databases.raw} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (databases.raw,),
        )
        ready = api.raw("reader", "GET", "/readyz")
        refused = api.raw("reader", "GET", "/v1/balance")
        connection.execute(f"ALTER DATABASE {databases.raw} ALLOW_CONNECTIONS true")

    assert (503, 503) == (ready.status_code, refused.status_code)
    assert "raw" in ready.json()["detail"]
    assert "retry-after" in refused.headers


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/datasets/manual-one.requests?limt=1", "limt"),
        ("/v1/datasets/manual-one.requests?limit=1&limit=2", "limit"),
        ("/v1/ledger?limit=1&subject=a&x=", "x"),
        ("/v1/pipelines?name=manual-one", "name"),
    ],
)
def test_unknown_query_parameters_are_refused(api: Any, path: str, field: str) -> None:
    """A misspelt one would be taken for what it does not do."""
    refused = api.raw("admin", "GET", path)

    assert (422, field) == (refused.status_code, refused.json()["field"])


def test_a_standby_that_is_none_is_told_by_readiness(
    databases: Any, tmp_path: Any, start: Any
) -> None:
    """The data API goes on, and says that datasets are refused, and why."""
    primary = databases.settings("dataapi").warehouse_dsn
    api = start(databases, tmp_path, postgres={"warehouse_replica_dsn": primary})
    deadline = time.monotonic() + 20
    with api.http("nobody") as http:
        while (ready := http.get("/readyz")).json()["status"] != "degraded":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        metrics = http.get("/metrics").text

    assert 200 == ready.status_code
    assert ["datasets"] == list(ready.json()["degraded"])
    assert "is a primary" in ready.json()["degraded"]["datasets"]
    assert 'mlplatform_dataapi_standby_usable{database="warehouse-replica"} 0.0' in metrics
    assert 'mlplatform_dataapi_standby_usable{database="raw-replica"} 1.0' in metrics
