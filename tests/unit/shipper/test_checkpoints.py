"""Checkpoints of what the queue has acknowledged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chained import OUTBOX, payloads, stored
from pydantic import SecretStr

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.evidence import keys, signatures
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.settings import AuditSettings
from mlplatform.shipper.checkpoints import CheckpointWriter

RECORDS = payloads(5)


class Topic:
    """A queue that keeps what it is sent, or is away."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.away = False

    def send(self, messages: Any) -> None:
        """See Producer."""
        if self.away:
            raise Unavailable("away")
        self.sent += [value for _, value in messages]

    def close(self) -> None:
        """See Producer."""


class Scene:
    """A writer, its topic and folder, and a clock."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.topic, self.now, self.folder = Topic(), 0.0, folder
        settings = {"folder": folder, "checkpoint_every_s": 300.0, **settings}
        self.writer = CheckpointWriter(
            AuditSettings(**settings),
            lambda: self.topic,  # type: ignore[arg-type, return-value]
            clock=lambda: self.now,
        )

    def write(self, sent: bytes | None, *, seconds: float = 300.0, last: bool = False) -> None:
        """So many seconds later, with that as the last record sent."""
        self.now += seconds
        self.writer.write([SimpleNamespace(last_sent=sent)], last=last)  # type: ignore[list-item]

    def numbers(self) -> list[int]:
        """Of the checkpoints in the queue."""
        return [Checkpoint.model_validate_json(value).number for value in self.topic.sent]

    def in_folder(self, key: signatures.PublicKey | None = None) -> Witnesses:
        """What a verification reads there."""
        found = Witnesses(key)
        found.read_place(self.folder)
        return found


def test_one_is_written_when_it_is_time_and_something_was_sent(tmp_path: Path) -> None:
    """And at the end, however early that is."""
    scene = Scene(tmp_path)
    scene.write(RECORDS[0], seconds=10.0)
    scene.write(RECORDS[1])
    scene.write(RECORDS[1])
    scene.write(None)
    scene.write(RECORDS[4], seconds=1.0, last=True)

    assert [2, 5] == scene.numbers() == sorted(scene.in_folder().of(OUTBOX))
    (row,) = stored(RECORDS[4:])
    assert row.chain == scene.in_folder().of(OUTBOX)[5].chain


def test_a_queue_that_is_away_does_not_lose_them(tmp_path: Path) -> None:
    """The folder has them meanwhile, and the next one goes to both."""
    scene = Scene(tmp_path)
    scene.topic.away = True
    scene.write(RECORDS[1])
    scene.topic.away = False
    scene.write(RECORDS[2])

    assert [3] == scene.numbers()
    assert [2, 3] == sorted(scene.in_folder().of(OUTBOX))


def test_what_a_crash_left_of_a_line_spoils_no_other_one(tmp_path: Path) -> None:
    """The next one begins on a line of its own; the torn one is refused by name."""
    scene = Scene(tmp_path)
    scene.write(RECORDS[0])
    (path,) = tmp_path.rglob("*.ndjson")
    path.write_bytes(path.read_bytes() + b'{"outbox_id":"\xff')
    scene.write(RECORDS[2])

    found = scene.in_folder()
    assert [1, 3] == sorted(found.of(OUTBOX))
    (refused,) = found.refused
    assert f"{path}, line 2" in refused


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Not passed over: its checkpoints may be the ones that matter."""
    (tmp_path / "2026-11" / "a.ndjson").mkdir(parents=True)

    with pytest.raises(InvalidInput, match=r"a\.ndjson can't be read: Is a directory"):
        Witnesses().read_place(tmp_path)


def test_zero_writes_none(tmp_path: Path) -> None:
    """Also at the end."""
    scene = Scene(tmp_path, checkpoint_every_s=0.0)
    scene.write(RECORDS[1], last=True)

    assert [] == scene.numbers()


def test_records_of_an_earlier_version_have_none(tmp_path: Path) -> None:
    """They are not chained."""
    scene = Scene(tmp_path)
    scene.write(b'{"outbox_id":"x","sequence":1}')

    assert [] == scene.numbers()


def test_a_key_signs_them(tmp_path: Path) -> None:
    """The public half tells them from all others."""
    pair, other = keys.new_pair(), keys.new_pair()
    scene = Scene(tmp_path, key=SecretStr(pair.private))
    scene.write(RECORDS[3])
    (line,) = [path.read_text() for path in tmp_path.rglob("*.ndjson")]

    believed = scene.in_folder(signatures.PublicKey(pair.public))
    assert ([4], [], 1) == (sorted(believed.of(OUTBOX)), believed.refused, believed.signed)
    assert {} == scene.in_folder(signatures.PublicKey(other.public)).all
    forged = Witnesses(signatures.PublicKey(pair.public))
    forged.read([line.replace('"number":4', '"number":3'), '{"a":1}', ""], "x")
    assert (2, {}) == (len(forged.refused), forged.all)


@pytest.mark.parametrize("text", ["", "secret", "mlplatform-audit-key:AAAA"])
def test_what_is_no_key_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    """Not after five minutes."""
    with pytest.raises(InvalidInput, match="not a key"):
        Scene(tmp_path, key=SecretStr(text))
