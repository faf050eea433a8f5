"""The chain by which stored records are proven.

    h(0) = SHA-256("mlplatform chain v1" ‖ outbox id, 16 bytes ‖ 0, 8 bytes)
    d(n) = SHA-256(salt ‖ facts ‖ body ‖ outputs)
    h(n) = SHA-256(h(n-1) ‖ n, 8 bytes ‖ d(n))

Numbers are big-endian. `facts` is a JSON list without blanks: request id, pipeline, version,
caller, client's id or null, microseconds since the epoch, rows, bytes of the body, bytes of the
outputs. All of it can be rebuilt from the columns of a stored row. Where a chain has to begin anew
at number n, h(n-1) is made as h(0) is, with n-1 in place of 0, and the record says why.

The salt keeps a payload that was removed from being guessed from its digest.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol
from uuid import UUID

import msgspec

SALT_BYTES = 16
_PART = 2047  # bytes that hashlib takes without giving another thread a turn
_SMALL = 32 * 1024  # bytes above which the hashing is worth a turn
LAST_NUMBER = 2**63 - 1
"""The highest that PostgreSQL's bigint holds."""
Buffer = bytes | memoryview
_encode = msgspec.json.Encoder().encode
_LABEL = b"mlplatform chain v1"


class Content(Protocol):
    """What the digest of a record covers, beside its inputs and outputs."""

    @property
    def request_id(self) -> str: ...  # noqa: D102
    @property
    def pipeline(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def caller(self) -> str: ...  # noqa: D102
    @property
    def client_id(self) -> str | None: ...  # noqa: D102
    @property
    def received_us(self) -> int: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102


def before(outbox_id: str, number: int = 1) -> bytes:
    """What a chain that begins with this number is linked to."""
    place = (number - 1).to_bytes(8, "big")
    return sha256(_LABEL + UUID(outbox_id).bytes + place).digest()


def digest_of(salt: bytes, facts: Content, body: Buffer, outputs: Buffer) -> bytes:
    """d(n). `body` holds the inputs as they were sent, `outputs` the outputs, both JSON."""
    client_id = facts.client_id
    head = _encode(
        (
            facts.request_id,
            facts.pipeline,
            facts.version,
            facts.caller,
            None if client_id is None else shown(client_id),
            facts.received_us,
            facts.rows,
            len(body),
            len(outputs),
        )
    )
    return _hashed(b"".join((salt, head, body, outputs)))


def _hashed(data: bytes) -> bytes:
    """Its SHA-256; of what is small, without giving other threads a turn.

    hashlib lets another thread run Python while it hashes 2,048 bytes or more, and has to wait for
    its own turn afterwards. For a few kilobytes that takes longer than the hashing.
    """
    if len(data) <= _PART or len(data) > _SMALL:
        return sha256(data).digest()
    found, view = sha256(data[:_PART]), memoryview(data)
    for start in range(_PART, len(data), _PART):
        found.update(view[start : start + _PART])
    return found.digest()


def link(previous: bytes, number: int, digest: bytes) -> bytes:
    """h(n)."""
    return sha256(previous + number.to_bytes(8, "big") + digest).digest()


def shown(client_id: str) -> str:
    """The client's own id as PostgreSQL can hold it: its text takes all characters but NUL."""
    return client_id.replace("\0", "\N{SYMBOL FOR NULL}")
