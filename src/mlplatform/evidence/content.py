"""What the digest of a record covers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mlplatform.contracts.chain import digest_of


class RecordFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest covers beside inputs and outputs (`contracts.chain.Content`)."""

    request_id: str
    pipeline: str
    version: str
    caller: str
    client_id: str | None = None
    received_us: int
    rows: int


@dataclass(frozen=True, slots=True)
class ProvenContent:
    """All that a digest covers but the salt."""

    facts: RecordFacts
    body: bytes
    outputs: bytes

    def digest(self, salt: bytes) -> bytes:
        """d(n) with that salt."""
        return digest_of(salt, self.facts, self.body, self.outputs)
