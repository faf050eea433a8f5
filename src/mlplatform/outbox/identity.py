"""Who an outbox is: the file `identity`, and the file `incarnation`.

Records lie in a folder under consecutive numbers for as long as the folder exists. What the balance
counts are the numbers of an identity, and a folder takes a new one when it can't be sure that its
next number was never given: `base` is the last number of the folder that was given under identities
before. Those that still have something to say stand in `former`.

`incarnation` names the run of serving that the data API last took as the owner of this identity. A
copy of the folder that was made before has another one, which is how it is found out.
"""

from __future__ import annotations

import json
import uuid
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlplatform.durable import write_whole
from mlplatform.errors import IntegrityFailure, Refused
from mlplatform.outbox.record import OutboxStatus

_FORMATS = (1, 2)  # 2 has `base` and `former`; older versions must not take its numbers as 1's
_MOST_FORMER = 20
_NAME = "identity"
_INCARNATION = "incarnation"


@dataclass(frozen=True, slots=True)
class Former:
    """An identity of before: the folder's numbers above `base`, up to `last`."""

    outbox_id: str
    base: int
    last: int

    def status(self, acknowledged: int) -> OutboxStatus:
        """Its numbers, when the folder is acknowledged so far."""
        accepted = self.last - self.base
        sent = min(accepted, max(0, acknowledged - self.base))
        return OutboxStatus(self.outbox_id, accepted, sent, 0)


@dataclass(frozen=True, slots=True)
class Identity:
    """The present identity; numbers count from `base`."""

    outbox_id: str
    base: int = 0
    former: tuple[Former, ...] = ()

    def renewed(self, last: int) -> Identity:
        """Another one, for the numbers above `last`."""
        former = self.former
        if last > self.base:
            former = (*former, Former(self.outbox_id, self.base, last))[-_MOST_FORMER:]
        return Identity(str(uuid.uuid4()), last, former)

    def without(self, outbox_id: str) -> Identity:
        """The same, and nothing more to say of a former one."""
        kept = tuple(each for each in self.former if each.outbox_id != outbox_id)
        return Identity(self.outbox_id, self.base, kept)

    def name(self, sequence: int) -> tuple[str, int]:
        """Identity and number of the folder's record `sequence`; no identity when it is unknown."""
        if sequence > self.base:
            return self.outbox_id, sequence - self.base
        for each in self.former:
            if each.base < sequence <= each.last:
                return each.outbox_id, sequence - each.base
        return "", sequence


def fresh(base: int) -> Identity:
    """A new identity of a folder whose numbers up to `base` are another's."""
    return Identity(str(uuid.uuid4()), base)


def load(folder: Path) -> Identity | None:
    """The identity, or None when there is none yet.

    Raises IntegrityFailure for a damaged file, Refused for one of a later version.
    """
    try:
        text = (folder / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = _checked(json.loads(text))
        if found["format"] in _FORMATS:
            return _identity(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityFailure(
            f"the file {folder / _NAME} is damaged: {error}",
            fix="move it away and start serving again: the folder takes a new identity, and what it"
            " holds is sent all the same",
        ) from error
    raise Refused(
        f"the outbox {folder} has format {found['format']}, this version reads 1 and 2",
        fix="start the version that made it, or use another folder",
    )


def save(folder: Path, identity: Identity) -> None:
    """Store it, durably. Raises OSError."""
    found: dict[str, Any] = {"format": 1, "outbox_id": identity.outbox_id}
    if identity.base or identity.former:
        found |= {
            "format": 2,
            "base": identity.base,
            "former": [asdict(each) for each in identity.former],
        }
    write_whole(folder / _NAME, json.dumps(found | {"check": _check(found)}).encode())


def incarnation(folder: Path) -> str | None:
    """The run that owned the identity last; None when that is unknown."""
    try:
        return str(uuid.UUID((folder / _INCARNATION).read_text()))
    except (OSError, ValueError):  # without it the data API's word decides
        return None


def save_incarnation(folder: Path, found: str) -> None:
    """Store it, durably. Raises OSError."""
    write_whole(folder / _INCARNATION, found.encode())


def _identity(found: dict[str, Any]) -> Identity:
    former = tuple(
        Former(str(uuid.UUID(each["outbox_id"])), int(each["base"]), int(each["last"]))
        for each in found.get("former", [])
    )
    return Identity(str(uuid.UUID(found["outbox_id"])), int(found.get("base", 0)), former)


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    check = found.pop("check", None)  # earlier versions wrote none
    if check is not None and check != _check(found):
        raise ValueError("its checksum differs")
    return found


def _check(found: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(found, sort_keys=True).encode())
