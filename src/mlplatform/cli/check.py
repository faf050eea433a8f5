"""`mlplatform check`: does the platform that is called from here keep its promises?

The chart's test runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from mlplatform.cli.connection import Platform, connect
from mlplatform.cli.findings import Finding, show
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.cli.promises import ModelPromises, PlatformPromises
from mlplatform.client.dataapi import DataApi
from mlplatform.errors import PlatformError
from mlplatform.retry import retry

REACH_S = 20.0
"""How long a service may be out of reach before its promise counts as broken.

The pod that calls may be a second old, and network policies let it through only after a moment.
"""

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Pipelines that must answer; empty: all that have a version and that "
        "`MLPLATFORM_SERVING__MODELS` names, if it names any."
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", help="Seconds that a request may take to arrive in the database."),
]

app = typer.Typer()


@app.command()
def check(
    names: Names = None, *, timeout: Timeout = 60.0, home: Home = None, as_json: AsJson = False
) -> None:
    """Prove that the platform keeps its promises.

    Predict, find the request in the data (read from a standby), be refused without a token, verify
    the stored model's bytes, and see the balance close. Ends with 1 when a promise is broken.
    """
    platform = connect(home)
    # With the rights of a plain caller: what such a caller may not do is checked too.
    with platform.dataapi("client") as api:
        findings = list(_findings(platform, api, names or (), timeout))
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
    platform: Platform, api: DataApi, names: Sequence[str], timeout: float
) -> Iterator[Finding]:
    promises = PlatformPromises(platform, api)
    yield _prove("the data API is ready", promises.ready)
    yield _prove("a caller without a token is refused", promises.callers_need_a_token)
    yield _prove("pipelines are applied", promises.pipelines_are_applied)
    for name in names or platform.settings.serving.models or promises.applied:
        yield from _of_pipeline(platform, api, name, timeout, must=bool(names))
    yield _prove("no request is missing", promises.nothing_is_missing)


def _of_pipeline(
    platform: Platform, api: DataApi, name: str, timeout: float, *, must: bool
) -> Iterator[Finding]:
    """What is found of one pipeline; one without a version is skipped, unless it `must` answer."""
    try:
        champion = retry(lambda: api.model_status(name), seconds=REACH_S).champion
    except PlatformError as error:  # e.g. one that serving is to answer for, and nobody has applied
        yield Finding(f"{name} answers", "failed", str(error))
        return
    if champion is None:
        detail = "no version is promoted" if must else "no version is promoted yet"
        yield Finding(f"{name} answers", "failed" if must else "skipped", detail)
        return
    promises = ModelPromises(platform, api, champion, timeout)
    for promise, proof in (
        (" answers", promises.answers),
        (": a row that breaks its contract is refused", promises.bad_rows_are_refused),
        (": the request is stored, and read from a standby", promises.the_request_is_stored),
        (": a caller without the right can't decide what serves", promises.callers_cant_decide),
        (": the stored model is the one that was promoted", promises.the_model_is_intact),
    ):
        yield _prove(f"{name}{promise}", proof)


def _prove(promise: str, proof: Callable[[], str]) -> Finding:
    try:
        return Finding(promise, "ok", retry(proof, seconds=REACH_S))
    except PlatformError as error:
        return Finding(promise, "failed", str(error))
