"""Ed25519 keys for checkpoints.

A private key is the text `mlplatform-audit-key:` and 32 bytes in base64, a public one
`mlplatform-audit-public:` and the same. A key's id is the beginning of the SHA-256 of its public
half.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mlplatform.errors import InvalidInput

PRIVATE = "mlplatform-audit-key:"
PUBLIC = "mlplatform-audit-public:"


class KeyPair(NamedTuple):
    """Both halves as texts, and the key's id."""

    private: str
    public: str
    id: str


def new_pair() -> KeyPair:
    """A new key."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return KeyPair(
        PRIVATE + b64encode(key.private_bytes_raw()).decode(),
        PUBLIC + b64encode(public).decode(),
        id_of(public),
    )


def id_of(public: bytes) -> str:
    """Short name of a key."""
    return hashlib.sha256(public).hexdigest()[:16]


def raw_of(text: str, prefix: str) -> bytes:
    """The bytes of one half. Raises InvalidInput for what is none."""
    found = text.strip()
    try:
        raw = b64decode(found.removeprefix(prefix), validate=True)
    except ValueError:
        raw = b""
    if not found.startswith(prefix) or len(raw) != 32:
        raise InvalidInput(
            f"not a key: it must begin with {prefix}",
            field="key",
            fix="`mlplatform audit keygen` makes one",
        )
    return raw
