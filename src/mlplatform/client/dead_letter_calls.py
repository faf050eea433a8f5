"""Calls of the data API about dead letters: records of the queue that could not become rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlplatform.client.json_http import JsonHttp, parse, parse_list, request
from mlplatform.client.quarantine_calls import plain
from mlplatform.contracts.dead_letters import (
    DropLetters,
    LetterCount,
    LettersDropped,
    LettersRedriven,
    ListedLetter,
    RedriveLetters,
    ShownLetter,
)


class DeadLetterCalls:
    """A part of `DataApi`; needs the role admin. `wanted` are fields of LetterFilter."""

    _http: JsonHttp

    def dead_letters(
        self, *, limit: int = 100, before: int | None = None, **wanted: Any
    ) -> list[ListedLetter]:
        """Dead letters without their payloads, newest first: those with ids below `before`.

        `state` may be open (default), resolved, dropped, any.
        """
        wanted |= {"limit": limit, "before": before}
        return parse_list(ListedLetter, self._http.get("/v1/deadletters", **plain(wanted)))

    def dead_letter_counts(self, **wanted: Any) -> list[LetterCount]:
        """Dead letters by reason, the most frequent first. `state` as in `dead_letters`."""
        return parse_list(LetterCount, self._http.get("/v1/deadletters/counts", **plain(wanted)))

    def dead_letter(self, number: int) -> ShownLetter:
        """One dead letter with its payload, in any state. Raises UnknownName."""
        return parse(ShownLetter, self._http.get(f"/v1/deadletters/{number}"))

    def redrive_letters(
        self,
        ids: Sequence[int] | None = None,
        *,
        why: str = "",
        payload: str | None = None,
        dry_run: bool = False,
        **wanted: Any,
    ) -> LettersRedriven:
        """Try dead letters again: those named, or those that a filter means.

        `payload` is a corrected record in place of that of the one letter that is named.
        """
        named = None if ids is None else list(ids)
        body = request(
            RedriveLetters, ids=named, why=why, payload=payload, dry_run=dry_run, **wanted
        )
        return parse(LettersRedriven, self._http.post("/v1/deadletters/redrive", body))

    def drop_letters(
        self, ids: Sequence[int] | None = None, *, why: str, dry_run: bool = False, **wanted: Any
    ) -> LettersDropped:
        """Give dead letters up for good: those named, or those that a filter means."""
        named = None if ids is None else list(ids)
        body = request(DropLetters, ids=named, why=why, dry_run=dry_run, **wanted)
        return parse(LettersDropped, self._http.post("/v1/deadletters/drop", body))
