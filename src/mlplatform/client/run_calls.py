"""Calls of the data API about training runs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from mlplatform.client.json_http import JsonHttp, parse, parse_list, request
from mlplatform.contracts.run import Run, RunRequest, RunState
from mlplatform.contracts.run_report import RunReport

ANSWER_S = 15.0
"""Seconds that an answer may take, beside those that it was asked to wait."""


class RunCalls:
    """A part of `DataApi`."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    def start_run(self, name: str, *, reason: str, key: str = "") -> Run:
        """Start a training and return its record at once.

        The same key gives the same run, however often it is sent; without one each call starts
        another. Raises Refused while one goes on, and for a key that came with another reason.
        """
        headers = {"Idempotency-Key": key} if key else {}
        body = request(RunRequest, reason=reason)
        return parse(Run, self._http.post(_runs(name), body, headers=headers))

    def runs(self, name: str, *states: RunState, limit: int = 100) -> list[Run]:
        """Records of runs, latest first: of all states, or only some."""
        wanted = ",".join(states) or None
        return parse_list(Run, self._http.get(_runs(name), state=wanted, limit=limit))

    def run(self, name: str, run: str, *, wait_s: float = 0.0, seen: int | None = None) -> Run:
        """One run, by its id or the name of its Job. Raises UnknownName.

        With `wait_s` the answer comes when the run has ended, or has changed since `seen` (its
        `changes`), or when so many seconds have passed.
        """
        timeout = wait_s + ANSWER_S
        parameters: dict[str, Any] = {"wait": wait_s} if wait_s else {}
        parameters |= {} if seen is None else {"seen": seen}
        path = f"{_runs(name)}/{quote(run, safe='')}"
        answer = self._http.call("GET", path, params=parameters, timeout=timeout)
        return parse(Run, answer.json())

    def report_run(self, name: str, run: str, *, number: int, **facts: Any) -> Run:
        """Say how a run goes, with its own token. `facts` are fields of RunReport.

        Raises Unauthenticated once it has lost its lease.
        """
        body = request(RunReport, number=number, **facts)
        return parse(Run, self._http.put(f"{_runs(name)}/{quote(run, safe='')}/report", body))

    def cancel_run(self, name: str, run: str) -> Run:
        """Have a run end in an orderly way; returns at once. Raises Refused when it has ended."""
        return parse(Run, self._http.post(f"{_runs(name)}/{quote(run, safe='')}/cancel"))


def _runs(name: str) -> str:
    return f"/v1/pipelines/{quote(name, safe='')}/runs"
