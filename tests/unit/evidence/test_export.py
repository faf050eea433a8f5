"""An export proves its records without a platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chained import OUTBOX, payloads, stored
from typer.testing import CliRunner

from mlplatform.cli import audit
from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, StoredRecord
from mlplatform.evidence import export, keys, signatures
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.export import ExportChoice

PAIR = keys.new_pair()
ROWS = stored(payloads(20))


def checkpoint(number: int) -> Checkpoint:
    """Signed."""
    plain = Checkpoint(
        outbox_id=OUTBOX,
        number=number,
        chain=ROWS[number - 1].chain or "",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return signatures.Signer(PAIR.private).sign(plain)


def written(
    choice: ExportChoice,
    *numbers: int,
    first: int = 1,
    last: int = 12,
    rows: list[StoredRecord] = ROWS,
) -> list[str]:
    """The lines of an export of a window, with checkpoints of these numbers."""
    witnesses = Witnesses()
    for number in numbers:
        witnesses.add(checkpoint(number), "test")
    box = ProvenOutbox(outbox_id=OUTBOX, first=first, last=last, highest=20)
    sheet = EvidenceSheet(read_at=datetime.now(UTC), outboxes=[box])
    return list(
        export.write(
            sheet,
            lambda box, upto: [row for row in rows if box.first - 1 <= row.number <= upto],
            choice,
            witnesses,
        )
    )


def verified(lines: list[str], folder: Path, *, key: str = PAIR.public) -> tuple[int, Any]:
    """Exit code and document of `audit verify FILE --public-key`."""
    file = folder / "export.ndjson"
    file.write_text("\n".join(lines))
    found = CliRunner().invoke(audit.app, ["verify", str(file), "--public-key", key, "--json"])
    return found.exit_code, json.loads(found.stdout) if found.stdout else found.exception


KEY = ExportChoice(key=("a", "7"))


def test_what_was_chosen_is_proven_by_the_public_key_alone(tmp_path: Path) -> None:
    """And nothing is told of the records between."""
    lines = written(ExportChoice(pipeline="demo"), 15)
    code, verdict = verified(lines, tmp_path)
    one = written(KEY, 3, 10, 15)

    assert (0, 15) == (code, verdict["outboxes"][0]["witnessed"])
    assert 15 == verdict["outboxes"][0]["proven"]
    assert (0, 1) == (
        verified(one, tmp_path)[0],
        verified(one, tmp_path)[1]["outboxes"][0]["proven"],
    )
    assert [6, 7, 8, 9, 10] == [
        found["record"]["number"] for found in map(json.loads, one) if "record" in found
    ]
    assert 1 == sum("inputs" in line for line in one)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"outputs":"{\\"prediction\\":[7.5]}"', '"outputs":"{\\"prediction\\":[8.5]}"'),
        ('"inputs":"{\\"a\\":[7]}"', '"inputs":"{\\"a\\":[8]}"'),
        ('"caller":"tester"', '"caller":"nobody"'),
        ('"number":7,', '"number":8,'),
    ],
)
def test_a_changed_file_is_found(tmp_path: Path, before: str, after: str) -> None:
    """Whoever passes it on can't change it."""
    lines = written(KEY, 10)
    changed = [line.replace(before, after) for line in lines]

    assert changed != lines
    assert 3 == verified(changed, tmp_path)[0]


def test_a_chain_that_leads_to_no_checkpoint_proves_nothing(tmp_path: Path) -> None:
    """Nor does a checkpoint of another key, or one in front of the records."""
    code, verdict = verified(written(KEY), tmp_path)

    assert 3 == code
    assert ["no checkpoint covers number 7 of outbox " + OUTBOX] == verdict["refused"]
    assert 3 == verified(written(KEY, 6), tmp_path)[0]
    assert 3 == verified(written(KEY, 10), tmp_path, key=keys.new_pair().public)[0]


def test_a_forged_record_with_a_chain_of_its_own_is_found(tmp_path: Path) -> None:
    """The chain must end in what was signed."""
    forged = stored(payloads(20))
    assert 0 == verified(written(KEY, 10), tmp_path)[0]
    assert 3 == verified(written(KEY, 10, rows=forged), tmp_path)[0]


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    """With the line."""
    code, error = verified(['{"x":1}'], tmp_path)
    assert (1, True) == (code, "line 1" in str(error))
