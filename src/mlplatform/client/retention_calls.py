"""Calls of the data API about retention: days, removal, legal holds."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from mlplatform.client.json_http import JsonHttp, parse, parse_list, request
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.removed import Removed, RemoveRequest
from mlplatform.contracts.retention import Hold, HoldRequest, RetentionPlan, TableSize
from mlplatform.contracts.retention_days import Kind

COUNT_S = 600.0
"""Seconds that a call may take: counting reads tables as a whole."""


class RetentionCalls:
    """A part of `DataApi`."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    def retention_plan(self) -> RetentionPlan:
        """Days of every kind of every pipeline, and the legal holds."""
        return parse(RetentionPlan, self._http.get("/v1/retention"))

    def table_sizes(self) -> list[TableSize]:
        """What every table takes, the largest first."""
        return parse_list(TableSize, self._http.get("/v1/retention/sizes"))

    def remove_past(self, kind: Kind, pipeline: str | None, *, dry_run: bool) -> Removed:
        """Remove all that is past its days, of one kind, or only count it."""
        body = RemoveRequest(kind=kind, pipeline=pipeline, dry_run=dry_run)
        total = Removed(kind=kind, pipeline=pipeline, more=True)
        while total.more:
            found = self._http.post("/v1/retention/remove", body, timeout=COUNT_S)
            total = total.plus(parse(Removed, found))
        return total

    def run_retention(self, *, dry_run: bool) -> Iterator[Removed]:
        """One run: every kind of every pipeline, one after the other."""
        done: set[tuple[Kind, str | None]] = set()
        for step in self.retention_plan().steps:
            wanted = step.kind, None if step.kind == "requests" else step.pipeline
            if wanted not in done:
                done.add(wanted)
                yield self.remove_past(*wanted, dry_run=dry_run)

    def prove_balance(self) -> BalanceSheet:
        """The balance from all rows; `differences` says where the last proof had counted others.

        The last step of a run, since what is removed makes that proof void. Raises Overloaded while
        another balance is being counted.
        """
        return parse(BalanceSheet, self._http.post("/v1/balance/proof", timeout=COUNT_S))

    def hold(self, pipeline: str, *, why: str) -> Hold:
        """Put a pipeline under a legal hold. Raises Refused where one stands."""
        path = f"/v1/retention/holds/{quote(pipeline, safe='')}"
        return parse(Hold, self._http.post(path, request(HoldRequest, why=why)))

    def release_hold(self, pipeline: str, *, why: str) -> Hold:
        """End a legal hold. Raises Refused where none stands."""
        path = f"/v1/retention/holds/{quote(pipeline, safe='')}/release"
        return parse(Hold, self._http.post(path, request(HoldRequest, why=why)))
