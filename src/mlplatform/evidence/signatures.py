"""Signing checkpoints, and telling who did."""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.evidence.keys import PRIVATE, PUBLIC, id_of, raw_of


class Signer:
    """Signs checkpoints with a private key. Raises InvalidInput for what is none."""

    def __init__(self, text: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(raw_of(text, PRIVATE))
        self.id = id_of(self._key.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same checkpoint, signed."""
        named = checkpoint.model_copy(update={"key": self.id})
        signature = b64encode(self._key.sign(named.signed_bytes())).decode()
        return named.model_copy(update={"signature": signature})


class PublicKey:
    """Tells whether a checkpoint was signed with its private half. Raises InvalidInput."""

    def __init__(self, text: str) -> None:
        raw = raw_of(text, PUBLIC)
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.id = id_of(raw)

    def signed(self, checkpoint: Checkpoint) -> bool:
        """Whether the signature is right."""
        try:
            signature = b64decode(checkpoint.signature, validate=True)
            self._key.verify(signature, checkpoint.signed_bytes())
        except (InvalidSignature, ValueError):
            return False
        return True
