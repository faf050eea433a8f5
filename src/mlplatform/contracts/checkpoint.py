"""A checkpoint: where the chain of an outbox stood at a moment, kept outside of the databases."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen


class Checkpoint(Frozen):
    """`chain` is h(number), hexadecimal. Without a key, `key` and `signature` are empty."""

    format: Literal[1] = 1
    outbox_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    number: int = Field(ge=1)
    chain: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: datetime
    key: str = Field("", description="Id of the key that signed it.")
    signature: str = Field("", description="Ed25519, base64, of `signed_bytes`.")

    def signed_bytes(self) -> bytes:
        """What a signature covers: every field but the signature, a line each."""
        lines = (
            "mlplatform checkpoint v1",
            self.outbox_id,
            str(self.number),
            self.chain,
            self.at.isoformat(),
            self.key,
        )
        return "\n".join(lines).encode()
