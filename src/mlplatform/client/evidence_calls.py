"""Calls of the data API about evidence: stored records with their proof."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mlplatform.client.json_http import JsonHttp, parse
from mlplatform.contracts.evidence import EvidenceSheet, RecordsPage, StoredRecord


class EvidenceCalls:
    """A part of `DataApi`."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    def evidence(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> EvidenceSheet:
        """The outboxes whose records can be proven."""
        moments = {"since": since, "until": until}
        return parse(
            EvidenceSheet,
            self._http.get(
                "/v1/evidence",
                **{name: moment and moment.isoformat() for name, moment in moments.items()},
            ),
        )

    def proven_records(self, outbox_id: str, *, after: int, upto: int) -> Iterator[StoredRecord]:
        """Records of an outbox above a number, ascending, page by page."""
        last = False
        while not last:
            document = self._http.get(f"/v1/evidence/{outbox_id}/records", after=after, upto=upto)
            page = parse(RecordsPage, document)
            yield from page.records
            last = page.last
            after = page.records[-1].number if page.records else upto
