"""Whether every request that was answered is in the outbox exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mlplatform.outbox.reader import OutboxReader

_RECORDS, _BYTES = 4_096, 1 << 26


class _Identified(msgspec.Struct):
    request_id: str


def stored_ids(folder: Path) -> Iterator[str]:
    """The ids of all requests in an outbox that nobody else reads; they are acknowledged."""
    decode = msgspec.json.Decoder(_Identified).decode
    reader = OutboxReader.open(folder)
    while records := reader.read(_RECORDS, _BYTES):
        for record in records:
            yield decode(record.payload).request_id
        reader.acknowledge(records[-1].sequence)
    reader.close()


def astray(answered: Iterable[str], stored: Iterable[str]) -> int:
    """How many ids were answered or stored, and not both exactly once."""
    said, kept = Counter(answered), Counter(stored)
    return sum(1 for name in said.keys() | kept.keys() if (said[name], kept[name]) != (1, 1))
