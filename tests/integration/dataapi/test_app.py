"""The pages of operation."""

from __future__ import annotations

from typing import Any


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
