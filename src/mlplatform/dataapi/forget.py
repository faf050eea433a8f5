"""Forgetting a person: every row with a key is removed, and versions trained on it are named.

In this order, so that another run finishes what one that was cut short has begun: dead letters
(nobody can make rows of them any more); the requests, which note what was forgotten; then, as no
batch of etl can have read the old values any more, all that was made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import SecretStr

from mlplatform.access import Caller
from mlplatform.contracts.forget import ForgetRequest, Forgotten, TrainedVersion
from mlplatform.contracts.shards import FIRST
from mlplatform.dataapi import repeats, rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.forgotten_rows import ForgottenRows, find_rows
from mlplatform.dataapi.key_search import KeySearch
from mlplatform.database import corrections, forget, pipelines, raw_lookups, retention
from mlplatform.database.forget import ForgottenAmount, KeptEntry
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Refused

CHUNK = 1_000
"""Rows, or letters, of one transaction: it holds their locks, and keeps etl waiting."""
MOST_NAMED = 1_000
"""Unreadable entries that an answer names."""


class Forget:
    """Handler of forgetting. Safe to share between threads; several runs at once do no harm."""

    def __init__(
        self,
        raws: Mapping[str, PrimaryPool],
        warehouse: PrimaryPool,
        audit: AuditLog,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._audit = audit
        self._redaction_key = redaction_key

    def forget(self, caller: Caller, pipeline: str, request: ForgetRequest) -> Forgotten:
        """Remove all rows of a pipeline that have a key, or only count them.

        Raises UnknownName; Refused for a pipeline under a legal hold, and for one without a key.
        """
        action = "view" if request.dry_run else rights.FORGET.action
        with self._audit.access(
            caller, action, pipeline, roles=rights.FORGET.roles, pipeline=pipeline
        ) as entry:
            # Never the key: the ledger outlives what must be forgotten.
            entry.detail = {"why": request.why}
            search = self._search(pipeline, request)
            number = 0
            if not request.dry_run:
                number = self._audit.write(replace(entry, outcome="opened"))
                entry.detail["opened"] = number
            done = ForgetRun(self._raws, self._warehouse, pipeline, search, request, number).run()
            entry.rows = done.rows
            entry.detail |= done.model_dump(
                mode="json", exclude_defaults=True, exclude={"pipeline", "entry", "rows"}
            )
            return done

    def _search(self, pipeline: str, request: ForgetRequest) -> KeySearch:
        with self._warehouse.transaction() as connection:
            pipelines.find(connection, pipeline)
            holds = {hold.pipeline: hold for hold in retention.holds(connection)}
            if pipeline in holds and not request.dry_run:
                raise Refused(
                    f"'{pipeline}' is under a legal hold: {holds[pipeline].why}",
                    field="pipeline",
                    fix=f"`mlplatform retention release {pipeline} --why …` ends it",
                )
            known = forget.definitions(connection, pipeline)
            return KeySearch.of(request.key, known, self._redaction_key)


@dataclass(frozen=True)
class ForgetRun:
    """One run; `entry` is the ledger's number, 0 in a dry run."""

    raws: Mapping[str, PrimaryPool]
    warehouse: PrimaryPool
    pipeline: str
    search: KeySearch
    request: ForgetRequest
    entry: int

    def run(self) -> Forgotten:
        """All of it."""
        # Before anything is gone: all servers must be there.
        raw_lookups.require_all(self.raws)
        repeats.settle(self.raws, self.warehouse)
        under_way = self._under_way()
        letters, unreadable_letters = self._letters()
        lines, unreadable_lines = self._lines()
        found = find_rows(self.raws, self.warehouse, self.pipeline, self.search)
        rows = found.fresh if self.request.dry_run else self._stored(found)
        amount, versions = self._made(found)
        return Forgotten(
            pipeline=self.pipeline,
            entry=self.entry or None,
            requests=found.requests,
            rows=rows,
            **asdict(replace(amount, refused=amount.refused + lines)),
            letters=letters,
            unreadable_letters=unreadable_letters[:MOST_NAMED],
            unreadable_entries=unreadable_lines[:MOST_NAMED],
            versions=versions,
            **under_way,
        )

    def _under_way(self) -> dict[str, Any]:
        """What may still come: records of outboxes, and imports that have not ended."""
        # Imports, and what outboxes say of themselves, lie on the first server.
        with self.raws[FIRST].transaction() as raw:
            expected = forget.expected(raw)
            imports = forget.open_imports(raw, self.pipeline)
        stored: Counter[str] = Counter()
        for pool in self.raws.values():
            with pool.transaction() as raw:
                stored |= Counter(forget.stored_ends(raw, list(expected)))
        ends = [(upto, max(gone, stored[box])) for box, (upto, gone) in expected.items()]
        missing = sum(max(0, upto - end) for upto, end in ends)
        return {"under_way": missing, "open_imports": imports}

    def _letters(self) -> tuple[int, list[int]]:
        """How many dead letters are gone, and which can't be read and were left."""
        found = [self._letters_of(pool) for pool in self.raws.values()]
        return sum(done for done, _ in found), [each for _, left in found for each in left]

    def _letters_of(self, pool: PrimaryPool) -> tuple[int, list[int]]:
        with pool.transaction() as raw:
            retention.allow_long(raw)
            held = {
                number: self.search.in_letter(payload)
                for number, payload in forget.letters(raw, self.pipeline)
            }
        wanted = ("yes", "perhaps") if self.request.unreadable else ("yes",)
        ids = [number for number, word in held.items() if word in wanted]
        left = [number for number, word in held.items() if word == "perhaps"]
        if self.request.dry_run:
            return len(ids), [] if self.request.unreadable else left
        done = 0
        for some in _chunks(ids):
            with pool.transaction() as raw:
                done += forget.forget_letters(raw, some, self.entry)
        return done, [] if self.request.unreadable else left

    def _lines(self) -> tuple[int, list[int]]:
        """The same of records of imports in the quarantine."""
        with self.warehouse.transaction() as warehouse:
            retention.allow_long(warehouse)
            entries = forget.quarantined(warehouse, self.pipeline, self.search.needles)
        lines = [entry for entry in entries if entry.digest is None]
        held = {line.id: self.search.in_line(line.payload.get("line")) for line in lines}
        wanted = ("yes", "perhaps") if self.request.unreadable else ("yes",)
        chosen = [line for line in lines if held[line.id] in wanted]
        left = [line.id for line in lines if held[line.id] not in (*wanted, "no")]
        if not self.request.dry_run:
            self._forget_lines(chosen)
        return len(chosen), left

    def _forget_lines(self, chosen: Sequence[KeptEntry]) -> None:
        for some in _chunks(chosen):
            # The raw database commits first: what is cut short in between is found again.
            imports = self.raws[FIRST]
            with self.warehouse.transaction() as warehouse, imports.transaction() as raw:
                forget.forget_lines(raw, warehouse, self.pipeline, some, self.entry)

    def _stored(self, found: ForgottenRows) -> int:
        """Remove the values of the requests. Returns how many rows had some."""
        done = 0
        for some in _chunks(sorted(found.wanted)):
            wanted = {request_id: sorted(found.wanted[request_id]) for request_id in some}
            for pool in self.raws.values():  # each does nothing about requests of the others
                with pool.transaction() as raw:
                    done += forget.forget_stored(raw, self.pipeline, wanted, self.entry)
        return done

    def _made(self, found: ForgottenRows) -> tuple[ForgottenAmount, list[TrainedVersion]]:
        """Remove what was made of the rows; of those that were forgotten before, what is left.

        A dry run does the same, and takes it back.
        """
        total, versions = ForgottenAmount(), dict[str, TrainedVersion]()
        dry_run, gone = self.request.dry_run, found.whole
        for some in _chunks(found.rows()):
            with self.warehouse.transaction() as warehouse:
                retention.allow_long(warehouse)
                corrections.lock(warehouse, self.pipeline)
                with warehouse.transaction(force_rollback=dry_run):
                    whole = sorted(gone.intersection(request_id for request_id, _ in some))
                    total += forget.forget_made(warehouse, self.pipeline, some, whole, self.entry)
                    trained = forget.versions(warehouse, self.pipeline, self.entry)
                _count(versions, trained, add=dry_run)
        return total, list(versions.values())


def _count(
    versions: dict[str, TrainedVersion], more: Sequence[TrainedVersion], *, add: bool
) -> None:
    """Note versions; what a dry run finds is not there any more for the next chunk."""
    for each in more:
        known = versions.get(each.receipt_id + each.version)
        rows = each.rows + (known.rows if known and add else 0)
        versions[each.receipt_id + each.version] = each.model_copy(update={"rows": rows})


def _chunks(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)]
