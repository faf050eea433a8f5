"""Dead letters: what could not become a row, and what people decide about it.

For admins of all pipelines only: a payload may be anybody's, whatever it says of itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlplatform.access import Caller
from mlplatform.contracts import shards
from mlplatform.contracts.dead_letters import (
    DropLetters,
    LetterCount,
    LettersDropped,
    LettersRedriven,
    ListedLetter,
    RedriveLetters,
    ShownLetter,
)
from mlplatform.contracts.quarantine import Skipped
from mlplatform.dataapi import repeats, rights, united
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.rights import Right
from mlplatform.database import dead_letters, raw_lookups
from mlplatform.database.dead_letters import LetterSelection, TriedLetters
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Forbidden, InvalidInput, UnknownName

CHUNK = 50
"""Letters per transaction: each may have a megabyte, and the process holds them all."""
MOST_NAMED = 1_000
"""Letters that an answer names; the others are only counted."""
SUBJECT = "deadletters"


class DeadLetters:
    """Handler of dead letters. Safe to share between threads."""

    def __init__(
        self, raws: Mapping[str, PrimaryPool], warehouse: PrimaryPool, audit: AuditLog
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._audit = audit

    def page(
        self, caller: Caller, selection: LetterSelection, *, before: int | None, limit: int
    ) -> Sequence[ListedLetter]:
        """Letters without their payloads, those with the highest ids first.

        Of one raw server that is the newest first; each server's ids are above those before it.
        """
        found: list[ListedLetter] = []
        with self._access(caller, rights.READ_LETTERS) as entry:
            for pool in reversed(list(self._raws.values())):
                left = limit - len(found)
                with pool.transaction() as raw:
                    found += dead_letters.page(raw, selection, before=before, limit=left)
            entry.rows = len(found)
        return found

    def counts(self, caller: Caller, selection: LetterSelection) -> Sequence[LetterCount]:
        """Letters by reason."""
        found: list[LetterCount] = []
        with self._access(caller, rights.READ_LETTERS):
            for pool in self._raws.values():
                with pool.transaction() as raw:
                    found += dead_letters.counts(raw, selection)
        return united.letters(found)

    def letter(self, caller: Caller, number: int) -> ShownLetter:
        """One letter with its payload. Raises UnknownName."""
        with self._access(caller, rights.READ_LETTERS) as entry:
            found = self._find(number)
            if found is None:
                raise UnknownName(
                    f"no such dead letter: {number}",
                    field="id",
                    fix="`mlplatform deadletters list` shows their ids",
                )
            entry.rows, entry.detail = 1, {"id": number}
        letter, payload = found
        return _shown(letter, payload)

    def redrive(self, caller: Caller, request: RedriveLetters) -> LettersRedriven:
        """Try letters again: those named, or those that the filter means.

        In transactions of CHUNK letters: when one fails, the earlier ones are done, and the same
        request goes on. Raises InvalidInput when nothing says which, and for a payload without the
        one letter that it is for; Unavailable when a raw server is away: it might have the request.
        """
        chosen = _chosen(request)
        payload = None if request.payload is None else request.payload.encode()
        if payload is not None and len(request.ids or ()) != 1:
            raise InvalidInput("a payload is for one letter", field="ids", fix="name that letter")
        rows: list[int] = []
        stuck: dict[int, str] = {}
        with self._access(caller, rights.REDRIVE_LETTERS, request) as entry:
            if request.dry_run:
                return LettersRedriven(redriven=self._count(chosen), still_dead=0, skipped=[])
            by = {"by": caller.name, "why": request.why}
            for tried in self._pieces(chosen, payload=payload, **by):
                rows += tried.rows
                stuck |= tried.stuck
                entry.rows = len(rows)
            skipped = stuck | self._left(request.ids, {*rows, *stuck})
        return LettersRedriven(redriven=len(rows), still_dead=len(stuck), skipped=_skipped(skipped))

    def drop(self, caller: Caller, request: DropLetters) -> LettersDropped:
        """Give letters up: they stay, with who and why. As `redrive` in all else."""
        chosen = _chosen(request)
        done: list[int] = []
        with self._access(caller, rights.DROP_LETTERS, request) as entry:
            if request.dry_run:
                return LettersDropped(dropped=self._count(chosen), skipped=[])
            for dropped in self._dropped(chosen, by=caller.name, why=request.why):
                done += dropped
                entry.rows = len(done)
            skipped = self._left(request.ids, set(done))
        return LettersDropped(dropped=len(done), skipped=_skipped(skipped))

    @contextmanager
    def _access(
        self, caller: Caller, right: Right, request: RedriveLetters | DropLetters | None = None
    ) -> Generator[Entry]:
        with self._audit.access(
            caller, right.action, SUBJECT, roles=right.roles, pipeline=None
        ) as entry:
            if "*" not in caller.pipelines:
                raise Forbidden(
                    f"'{caller.name}' may not do this: a dead letter may be of any pipeline, and "
                    f"this token is for {', '.join(caller.pipelines)}",
                    field="authorization",
                )
            if request is not None:
                entry.detail = request.model_dump(
                    mode="json", exclude_defaults=True, exclude={"payload"}
                )
                if isinstance(request, RedriveLetters) and request.payload is not None:
                    # What was sent is in the row; the ledger only proves that it is that.
                    digest = hashlib.sha256(request.payload.encode()).hexdigest()
                    entry.detail["payload_sha256"] = digest
            yield entry

    def _pieces(
        self, chosen: LetterSelection, *, by: str, why: str, payload: bytes | None
    ) -> Iterator[TriedLetters]:
        """What became of CHUNK letters after the other, each time in a transaction."""
        repeats.settle(self._raws, self._warehouse)
        for shard, pool in self._servers(chosen.ids).items():
            others = raw_lookups.others(self._raws, shard)
            after, size = 0, CHUNK
            while size == CHUNK:
                # Until the rows are there for all to see: two servers may have the same letter.
                with repeats.alone(self._raws, self._warehouse), pool.transaction() as raw:
                    tried = dead_letters.redrive(
                        raw,
                        chosen,
                        others,
                        after=after,
                        most=CHUNK,
                        payload=payload,
                        by=by,
                        why=why,
                    )
                yield tried
                after, size = tried.last, len(tried.rows) + len(tried.stuck)

    def _dropped(self, chosen: LetterSelection, *, by: str, why: str) -> Iterator[list[int]]:
        """The same for letters that are given up."""
        for pool in self._servers(chosen.ids).values():
            after, size = 0, CHUNK
            while size == CHUNK:
                with pool.transaction() as raw:
                    gone = dead_letters.drop(raw, chosen, after=after, most=CHUNK, by=by, why=why)
                yield gone
                after, size = max(gone, default=0), len(gone)

    def _servers(self, ids: Sequence[int] | None) -> dict[str, PrimaryPool]:
        """The servers that may have what is chosen; with ids, those that gave them out."""
        own = None if ids is None else {shards.of_id(number) for number in ids}
        return {shard: pool for shard, pool in self._raws.items() if own is None or shard in own}

    def _find(self, number: int) -> tuple[ListedLetter, bytes] | None:
        pool = self._raws.get(shards.of_id(number))
        if pool is None:
            return None
        with pool.transaction() as raw:
            return dead_letters.find(raw, number)

    def _count(self, chosen: LetterSelection) -> int:
        count = 0
        for pool in self._servers(chosen.ids).values():
            with pool.transaction() as raw:
                count += dead_letters.count(raw, chosen)
        return count

    def _left(self, ids: Sequence[int] | None, done: set[int]) -> dict[int, str]:
        """Why named letters were not even tried."""
        left: dict[str, list[int]] = {}
        for number in sorted(set(ids or ()) - done):
            shard = shards.of_id(number)
            # The first server answers for ids that nobody can have given out.
            left.setdefault(shard if shard in self._raws else shards.FIRST, []).append(number)
        found: dict[int, str] = {}
        for shard, own in left.items():
            with self._raws[shard].transaction() as raw:
                found |= dead_letters.why_not(raw, own)
        return found


def _chosen(request: RedriveLetters | DropLetters) -> LetterSelection:
    if request.ids is None and request.empty:
        raise InvalidInput(
            "ids or a filter are needed", field="ids", fix="say which letters are meant"
        )
    return LetterSelection(request, ids=request.ids)


def _skipped(why: Mapping[int, str]) -> list[Skipped]:
    return [Skipped(id=number, reason=reason) for number, reason in list(why.items())[:MOST_NAMED]]


def _shown(letter: ListedLetter, payload: bytes) -> ShownLetter:
    facts = letter.model_dump()
    try:
        return ShownLetter(**facts, payload=payload.decode(), encoding="utf-8")
    except UnicodeDecodeError:
        return ShownLetter(**facts, payload=base64.b64encode(payload).decode(), encoding="base64")
