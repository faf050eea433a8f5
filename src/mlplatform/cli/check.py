"""`mlplatform check`: does the platform that is called from here keep its promises?

The chart's test runs it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.findings import Finding, show
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.client.dataapi import DataApi
from mlplatform.client.json_http import raise_for
from mlplatform.client.pipelines import sample_row
from mlplatform.client.serving import ServingClient
from mlplatform.errors import (
    Forbidden,
    InvalidInput,
    PlatformError,
    Refused,
    TryLater,
    Unauthenticated,
    Unavailable,
)
from mlplatform.registry.store import ModelStore
from mlplatform.retry import retry

POLL_S = 0.5
PATIENCE_S = 20.0
"""How long a service may be out of reach before its promise counts as broken: the pod that asks may be a second old."""


app = typer.Typer()


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pipelines that must answer; empty: all that have a version and that `MLPLATFORM_SERVING__MODELS` names, if it names any."
        ),
    ] = None,
    *,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", help="Seconds that a request may take to arrive in the database."
        ),
    ] = 60.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Prove the platform: predict, find the request in the data (read from a standby), be refused without a token, verify the stored model's bytes, and see the balance close. Ends with 1 when a promise is broken."""
    place = connect(home)
    with place.dataapi(
        "client"
    ) as client:  # rights of a plain caller: what it may not do is looked at too
        findings = list(_findings(place, client, names, timeout))
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        emit({"ok": not failed, "findings": [_document(finding) for finding in findings]})
    else:
        show(findings)
    if failed:
        raise typer.Exit(1)


def _document(finding: Finding) -> dict[str, str]:
    return {"promise": finding.subject, "state": finding.state, "detail": finding.detail}


def _findings(
    place: Platform, client: DataApi, names: Sequence[str] | None, timeout: float
) -> list[Finding]:
    findings = [
        _try("the data API is ready", lambda: client.get("/readyz")["status"]),
        _try("a caller without a token is refused", lambda: _refused(place)),
    ]
    wanted = list(names or place.settings.serving.models)

    def applied() -> str:
        known = [pipeline["name"] for pipeline in client.get("/v1/pipelines")]
        wanted.extend(() if wanted else known)
        return ", ".join(known) or "none yet"

    findings.append(_try("pipelines are applied", applied))
    for name in wanted:
        findings += _of_name(place, client, name, timeout, must=bool(names))
    findings.append(_try("no request is missing", lambda: _balance(client)))
    return findings


def _of_name(
    place: Platform, client: DataApi, name: str, timeout: float, *, must: bool
) -> list[Finding]:
    """What is found of one pipeline; `must`: one without a version is a fault, and not just not looked at yet."""
    champions: list[dict[str, Any] | None] = []

    def look() -> str:
        champions.append(client.get(f"/v1/models/{name}")["champion"])
        return ""

    looked = _try(f"{name} answers", look)
    if looked.state == "failed":  # e.g. one that serving is to answer for, and nobody has applied
        return [looked]
    if champions[-1] is not None:
        return _of_model(place, client, name, champions[-1], timeout)
    return [
        Finding(f"{name} answers", "failed", "no version is promoted")
        if must
        else Finding(f"{name} answers", "skipped", "no version is promoted yet")
    ]


def _of_model(
    place: Platform, client: DataApi, name: str, champion: dict[str, Any], timeout: float
) -> list[Finding]:
    since = datetime.now(UTC).isoformat()
    answer: dict[str, Any] = {}

    def predict() -> str:
        answer.update(_predict(place, client, name))
        return f"version {answer['version']} predicts {answer['predictions'][0]}"

    return [
        _try(f"{name} answers", predict),
        _try(f"{name}: a row that breaks its contract is refused", lambda: _bad_row(place, name)),
        _try(
            f"{name}: the request is stored, and read from a standby",
            lambda: _stored(client, name, answer, since, timeout),
        ),
        _try(
            f"{name}: a caller without the right can't decide what serves",
            lambda: _forbidden(client, name, champion),
        ),
        _try(
            f"{name}: the stored model is the one that was promoted",
            lambda: _round_trip(place, champion),
        ),
    ]


def _try(promise: str, proof: Callable[[], str]) -> Finding:
    try:
        return Finding(promise, "ok", retry(proof, seconds=PATIENCE_S))
    except PlatformError as error:
        return Finding(promise, "failed", str(error))


def _refused(place: Platform) -> str:
    try:
        with DataApi(place.settings.dataapi.url, None) as anonymous:
            anonymous.get("/v1/datasets")
    except Unauthenticated as error:
        return str(error)
    raise PlatformError("the data API let a caller in who has no token")


def _forbidden(client: DataApi, name: str, champion: dict[str, Any]) -> str:
    try:
        client.post(
            f"/v1/models/{name}/promotions",
            {"action": "promote", "version": champion["version"], "why": "mlplatform check"},
        )
    except Forbidden as error:
        return str(error)
    except Refused:
        return "not looked at: this token may (it already serves, so nothing has changed)"
    raise PlatformError("the version was promoted by a caller that should not have the right")


def _predict(place: Platform, client: DataApi, name: str) -> dict[str, Any]:
    with ServingClient(place.settings.serving.url, place.token("client")) as serving:
        return serving.predict(
            name, [sample_row(client.pipeline(name).parsed())], client_id="mlplatform-check"
        )


def _bad_row(place: Platform, name: str) -> str:
    try:
        with ServingClient(place.settings.serving.url, place.token("client")) as serving:
            serving.predict(name, [{"no_such_column": 1}])
    except InvalidInput as error:
        return str(error)
    raise PlatformError("serving answered a row that has none of the columns")


def _stored(client: DataApi, name: str, answer: dict[str, Any], since: str, timeout: float) -> str:
    if not answer:
        raise PlatformError("there was no answer to look for")

    def receipt() -> str:
        found = client.http.get(
            f"/v1/datasets/{name}.requests",
            params={"since": since},
            headers={"Accept": "application/x-ndjson"},
        )
        raise_for(found)
        ids = {json.loads(line)["request_id"] for line in found.text.splitlines()}
        if answer["id"] not in ids:
            raise Unavailable("it is not there", retry_after_s=POLL_S)
        proof = client.get(f"/v1/receipts/{found.headers['X-Receipt-Id']}")
        return f"{proof['rows']} row(s) from the {proof['server_role']} at {proof['lsn']}"

    try:
        return retry(receipt, seconds=timeout, least_s=POLL_S)
    except TryLater as error:
        raise PlatformError(
            f"request {answer['id']} was not found within {timeout:g} s: {error}"
        ) from error


def _round_trip(place: Platform, champion: dict[str, Any]) -> str:
    registry = place.settings.registry
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelStore(registry.url, credentials=registry.credentials) as store,
    ):
        store.download(champion["artifacts"], Path(folder) / "model", champion["manifest_sha256"])
        files = sum(1 for _ in (Path(folder) / "model").iterdir())
    return (
        f"version {champion['version']}: {files} files, manifest {champion['manifest_sha256'][:12]}"
    )


def _balance(client: DataApi) -> str:
    found = client.get("/v1/balance")
    for outbox in found["outboxes"]:
        if outbox["missing"]:
            raise PlatformError(f"outbox {outbox['outbox_id']} misses {outbox['missing']}")
    accepted = sum(outbox["accepted"] for outbox in found["outboxes"])
    stored = sum(outbox["stored"] for outbox in found["outboxes"])
    return f"{accepted} accepted, {stored} stored, the rest on its way, none missing"
