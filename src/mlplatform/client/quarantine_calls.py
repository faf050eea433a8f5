"""Calls of the data API about the quarantine: what broke its contract, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlplatform.client.json_http import JsonHttp, parse, parse_list, request
from mlplatform.contracts.quarantine import (
    Corrected,
    CorrectRequest,
    Dropped,
    DropRequest,
    QuarantineCount,
    Quarantined,
    Redriven,
    RedriveRequest,
)


class QuarantineCalls:
    """A part of `DataApi`. `wanted` are fields of QuarantineFilter."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    def quarantine(
        self,
        pipeline: str | None = None,
        *,
        limit: int = 100,
        before: int | None = None,
        **wanted: Any,
    ) -> list[Quarantined]:
        """What broke its contract, newest first (None: of all the caller's pipelines).

        Only entries with ids below `before`. `state` may be open (default), resolved, dropped, any.
        """
        wanted |= {"pipeline": pipeline, "limit": limit, "before": before}
        return parse_list(Quarantined, self._http.get("/v1/quarantine", **plain(wanted)))

    def quarantine_counts(
        self, pipeline: str | None = None, **wanted: Any
    ) -> list[QuarantineCount]:
        """Entries by reason, the most frequent first. `state` as in `quarantine`."""
        found = self._http.get("/v1/quarantine/counts", pipeline=pipeline, **plain(wanted))
        return parse_list(QuarantineCount, found)

    def quarantine_entry(self, number: int) -> Quarantined:
        """One entry, in any state. Raises UnknownName."""
        return parse(Quarantined, self._http.get(f"/v1/quarantine/{number}"))

    def redrive(
        self,
        pipeline: str | None,
        ids: Sequence[int] | None = None,
        *,
        why: str = "",
        dry_run: bool = False,
        **wanted: Any,
    ) -> Redriven:
        """Have etl try quarantined rows again: those named, or all of the pipeline."""
        named = None if ids is None else list(ids)
        body = request(
            RedriveRequest, pipeline=pipeline, ids=named, why=why, dry_run=dry_run, **wanted
        )
        return parse(Redriven, self._http.post("/v1/quarantine/redrive", body))

    def correct_quarantined(
        self,
        number: int,
        fields: Mapping[str, Any] | None = None,
        *,
        texts: Mapping[str, str] | None = None,
        why: str,
    ) -> Corrected:
        """Correct fields of a quarantined row; `texts` are read by their declared types.

        Raises InvalidInput when the row would still be refused.
        """
        body = request(CorrectRequest, fields=fields or {}, texts=texts or {}, why=why)
        return parse(Corrected, self._http.post(f"/v1/quarantine/{number}/correct", body))

    def drop_quarantined(
        self,
        pipeline: str | None,
        ids: Sequence[int] | None = None,
        *,
        why: str,
        dry_run: bool = False,
        **wanted: Any,
    ) -> Dropped:
        """Give entries up for good: those named, or those that a filter means."""
        named = None if ids is None else list(ids)
        body = request(
            DropRequest, pipeline=pipeline, ids=named, why=why, dry_run=dry_run, **wanted
        )
        return parse(Dropped, self._http.post("/v1/quarantine/drop", body))


def plain(wanted: dict[str, Any]) -> dict[str, Any]:
    """A filter as URL parameters."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in wanted.items()
    }
