"""Calls of the data API about forgetting a person."""

from __future__ import annotations

from urllib.parse import quote

from mlplatform.client.json_http import JsonHttp, parse, request
from mlplatform.client.retention_calls import COUNT_S
from mlplatform.contracts.forget import ForgetRequest, Forgotten


class ForgetCalls:
    """A part of `DataApi`."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    def forget(
        self,
        pipeline: str,
        key: str,
        *,
        why: str,
        dry_run: bool = False,
        unreadable: bool = False,
    ) -> Forgotten:
        """Remove all rows with that key, or only count them. Safe to repeat.

        Raises UnknownName; Refused for a pipeline under a legal hold, or without a key.
        """
        body = request(ForgetRequest, key=key, why=why, dry_run=dry_run, unreadable=unreadable)
        path = f"/v1/pipelines/{quote(pipeline, safe='')}/forget"
        return parse(Forgotten, self._http.post(path, body, timeout=COUNT_S))
