"""Checkpoints as a verification uses them: read, judged by their signatures, sorted by outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.errors import InvalidInput
from mlplatform.evidence.signatures import PublicKey

MOST_REFUSED = 100


@dataclass
class Witnesses:
    """Checkpoints that are believed, and why others are not.

    With a public key, only what it has signed is believed; without one, all of them, which then
    prove no more than that the place where they lie was out of reach.
    """

    public_key: PublicKey | None = None
    all: dict[str, dict[int, Checkpoint]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    signed: int = 0
    unsigned: int = 0

    def of(self, outbox_id: str) -> Mapping[int, Checkpoint]:
        """Those of an outbox, by number."""
        return self.all.get(outbox_id, {})

    def read_place(self, place: Path) -> None:
        """Take those of a file, or of all files of a folder. Raises InvalidInput.

        A line that is none, as of a file that was damaged, is refused: it proves nothing.
        """
        for path in sorted(place.rglob("*.ndjson")) if place.is_dir() else [place]:
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    self.read(file, str(path))
            except OSError as error:
                raise InvalidInput(
                    f"{path} can't be read: {error.strerror}",
                    field="--checkpoints",
                    fix="name files of checkpoints, or the folder that holds them",
                ) from error

    def read(self, lines: Iterable[str], where: str) -> None:
        """Take the checkpoints of a text, one a line."""
        for place, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = Checkpoint.model_validate_json(line)
            except ValidationError as error:
                self._refuse(f"{where}, line {place}: {error.errors()[0]['msg']}")
            else:
                self.add(found, f"{where}, line {place}")

    def add(self, found: Checkpoint, where: str) -> None:
        """Take one, if it is to be believed."""
        named = f"{where}: number {found.number} of outbox {found.outbox_id}"
        if self.public_key is not None:
            if not self.public_key.signed(found):
                why = "the signature is wrong" if found.signature else "it is not signed"
                self._refuse(f"{named}: {why}")
                return
            self.signed += 1
        else:
            self.unsigned += 1
        known = self.all.setdefault(found.outbox_id, {})
        before = known.setdefault(found.number, found)
        if before.chain != found.chain:
            self._refuse(f"{named}: another checkpoint says another chain")

    def _refuse(self, why: str) -> None:
        if len(self.refused) < MOST_REFUSED:
            self.refused.append(why)
