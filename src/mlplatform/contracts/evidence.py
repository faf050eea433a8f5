"""The shapes in which stored records are read to be proven (`contracts.chain`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.outbox_report import DamagedRange


class StoredRecord(Frozen):
    """One stored record with its proof; digests and salt are hexadecimal.

    `kind` says where it was found. A row has the facts, `inputs` and `outputs` as JSON and `form`
    (`contracts.request_form`); a dead letter has `payload` (base64) as it came from the queue. Of a
    digest, which only exports have, nothing else is told. `forgotten` are rows of a request whose
    values were removed, `forgotten_in` the numbers of the ledger's entries that say why.
    """

    number: int
    kind: Literal["row", "dead letter", "digest"]
    stored_at: datetime
    salt: str | None = None
    digest: str | None = None
    chain: str | None = None
    begins: str | None = None
    request_id: str | None = None
    pipeline: str | None = None
    version: str | None = None
    caller: str | None = None
    client_id: str | None = None
    received_us: int | None = None
    rows: int | None = None
    inputs: str | None = None
    outputs: str | None = None
    form: str | None = None
    payload: str | None = None
    forgotten: tuple[int, ...] | None = None
    forgotten_in: tuple[int, ...] | None = None


class RecordsPage(Frozen):
    """Records of an outbox by ascending number. More may follow unless it is the last page."""

    records: list[StoredRecord]
    last: bool


class ProvenOutbox(Frozen):
    """An outbox of which records are stored.

    `first` and `last` are the numbers that the window of time holds; `highest` is the highest of
    all. `removed` by retention; the rest is what the outbox said of itself.
    """

    outbox_id: str
    first: int
    last: int
    highest: int
    acknowledged: int = 0
    seen_at: datetime | None = None
    given_up: int = 0
    damaged: tuple[DamagedRange, ...] = ()
    removed: tuple[tuple[int, int], ...] = ()


class EvidenceSheet(Frozen):
    """What there is to be verified.

    `numberless` are ids of requests that claim to come from serving without a number: none does.
    """

    read_at: datetime
    outboxes: list[ProvenOutbox]
    numberless: tuple[str, ...] = ()
    imported: int = 0
