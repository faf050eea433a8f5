"""What the owner of the database does to stored records is named by number."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from chained import OUTBOX, encoded, judged, named, new_salt, noted, payloads, stored
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts import chain as chains
from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.evidence import StoredRecord
from mlplatform.contracts.outbox_report import DamagedRange
from mlplatform.contracts.request import encode
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.record import proven

ROWS = stored(payloads(9))
GONE: dict[str, Any] = {
    **dict.fromkeys(("outputs", "form", "salt", "client_id")),
    "inputs": "{}",
}


def changed(number: int, **changes: Any) -> list[StoredRecord]:
    """The nine rows, one of them changed."""
    return [row.model_copy(update=changes) if row.number == number else row for row in ROWS]


def exchanged(one: int, other: int, *names: str) -> list[StoredRecord]:
    """The nine rows, with these columns of two of them exchanged."""
    rows = {row.number: row for row in ROWS}
    values = {number: {name: getattr(rows[number], name) for name in names} for number in rows}
    return [
        row.model_copy(update=values[{one: other, other: one}.get(row.number, row.number)])
        for row in ROWS
    ]


def rechained(rows: list[StoredRecord], first: int) -> list[StoredRecord]:
    """Digests and chain made anew from a number on, as whoever knows how it is done can."""
    head = bytes.fromhex(rows[first - 2].chain or "")
    found = rows[: first - 1]
    for row in rows[first - 1 :]:
        content = proven(row).content
        assert content is not None
        digest = content.digest(bytes.fromhex(row.salt or ""))
        head = chains.link(head, row.number, digest)
        found.append(row.model_copy(update={"digest": digest.hex(), "chain": head.hex()}))
    return found


def checkpoint(row: StoredRecord, **changes: Any) -> Checkpoint:
    """A checkpoint of that row."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    chain = row.chain or ""
    return Checkpoint(outbox_id=OUTBOX, number=row.number, chain=chain, at=at).model_copy(
        update=changes
    )


def witnesses(*rows: StoredRecord) -> Witnesses:
    """Checkpoints of these rows."""
    found = Witnesses()
    for row in rows:
        found.add(checkpoint(row), "test")
    return found


def test_what_was_recorded_is_proven() -> None:
    """Every record, from the first to the last, and nothing is accused."""
    verdict = judged(ROWS, witnesses(ROWS[6]))

    assert (True, [], []) == (verdict.ok, named(verdict), noted(verdict))
    assert (9, 7) == (verdict.outboxes[0].proven, verdict.outboxes[0].witnessed)


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": '{"prediction":[4.6]}'},
        {"inputs": '{"a":[5]}'},
        {"client_id": ""},
        {"received_us": 1},
        {"version": "4"},
        {"salt": new_salt()},
        {"salt": None},
        {"digest": "0" * 64},
        {"form": "columns"},
        {"form": '{"rows":[{"a":5}]}', "inputs": '{"a":[6]}'},
    ],
)
def test_a_changed_row_is_named(changes: dict[str, Any]) -> None:
    """Whatever was changed of it, it is that number and no other."""
    assert [("changed", 4, 4)] == named(judged(changed(4, **changes)))


def test_a_row_whose_digest_was_made_anew_breaks_the_chain() -> None:
    """The chain shows it where only row and digest were changed."""
    (row,) = (row for row in changed(4, outputs='{"prediction":[4.6]}') if row.number == 4)
    content = proven(row).content
    assert content is not None
    digest = content.digest(bytes.fromhex(row.salt or "")).hex()

    found = named(judged(changed(4, outputs=row.outputs, digest=digest)))
    assert [("broken", 4, 4)] == found


@pytest.mark.parametrize("gone", [{1}, {4}, {4, 5, 6}, {1, 8}])
def test_removed_rows_are_named(gone: set[int]) -> None:
    """As ranges; the row behind each can't be linked, which is no accusation."""
    verdict = judged([row for row in ROWS if row.number not in gone])

    found = {n for kind, first, last in named(verdict) for n in range(first, last + 1)}
    assert gone == found
    assert {"removed"} == {kind for kind, _, _ in named(verdict)}
    assert {"unproven"} == {kind for kind, _, _ in noted(verdict)}


@pytest.mark.parametrize("other", [3, 5, 9])
@pytest.mark.parametrize(
    "names",
    [
        ("inputs", "outputs"),
        ("outputs",),
        ("request_id", "received_us", "inputs", "outputs"),
        ("request_id", "received_us", "inputs", "outputs", "salt", "digest"),
        ("request_id", "received_us", "inputs", "outputs", "salt", "digest", "chain"),
    ],
)
def test_a_swap_is_named(other: int, names: tuple[str, ...]) -> None:
    """Both numbers and no third one, however much of the rows was exchanged."""
    verdict = judged(exchanged(4, other, *names))

    expected = [("swapped", number, number) for number in sorted((4, other))]
    assert (expected, []) == (named(verdict), noted(verdict))


def test_an_inserted_row_is_named() -> None:
    """Beside another with its number, between two, and behind the last."""
    fake = ROWS[3].model_copy(update={"outputs": "{}", "request_id": "f" * 32})
    bare = fake.model_copy(update={"salt": None, "digest": None, "chain": None, "number": 10})

    assert [("inserted", 4, 4)] == named(judged([*ROWS, fake]))
    assert [("inserted", 10, 10)] == named(judged([*ROWS, bare]))
    assert [("inserted", 10, 10)] == named(judged([*ROWS, fake.model_copy(update={"number": 10})]))


def test_a_row_without_its_proof_is_named() -> None:
    """It can't pass for one of an earlier version."""
    bare = changed(4, salt=None, digest=None, chain=None, form=None)
    assert [("inserted", 4, 4)] == named(judged(bare))


def test_proofs_that_were_removed_are_named_by_the_checkpoint() -> None:
    """They can't pass for records of an earlier version, with a chain that begins behind them."""
    bare = dict.fromkeys(("salt", "digest", "chain", "form"))
    rows = [row.model_copy(update=bare) for row in ROWS[:4]]
    head = chains.before(OUTBOX, 5)
    digest = proven(ROWS[4]).computed or b""
    head = chains.link(head, 5, digest)
    begun = ROWS[4].model_copy(update={"begins": "an upgrade", "chain": head.hex()})

    assert [] == named(judged([*rows, begun]))
    assert [("inserted", 1, 4)] == named(judged([*rows, begun], witnesses(ROWS[2])))
    assert [("inserted", 1, 4)] == named(judged(rows, witnesses(ROWS[2])))


def test_a_tail_that_was_cut_is_named_by_the_checkpoint() -> None:
    """Without one, nothing says how far the numbers went."""
    assert [] == named(judged(ROWS[:6]))
    assert [("removed", 7, 8)] == named(judged(ROWS[:6], witnesses(ROWS[4], ROWS[7])))


def test_a_chain_that_was_made_anew_is_found_by_the_checkpoint() -> None:
    """Within the numbers between the last checkpoint that agrees and the first that doesn't."""
    rows = rechained(changed(5, outputs='{"prediction":[0.0]}'), 5)

    assert [] == named(judged(rows))
    assert [("rewritten", 4, 8)] == named(judged(rows, witnesses(ROWS[2], ROWS[7])))


def test_an_outbox_that_was_removed_as_a_whole_is_named_by_the_checkpoint() -> None:
    """The database alone knows nothing of it."""
    other = checkpoint(ROWS[7], outbox_id="1" * 8 + OUTBOX[8:])
    found = witnesses()
    found.add(other, "test")

    assert [("removed", 1, 8)] == named(judged(ROWS, found))


def test_what_the_disk_damaged_or_a_reset_gave_up_is_explained() -> None:
    """Those numbers are missing by rights."""
    damage = DamagedRange(first=4, last=4, file="x", offset=0)
    rows = [row for row in ROWS if row.number not in {4, 7}]

    assert [("removed", 7, 7)] == named(judged(rows, damaged=(damage,)))
    assert [] == named(judged(rows, damaged=(damage,), given_up=7))
    assert [] == named(judged(rows, damaged=(damage,), removed=((1, 1), (6, 7))))


def test_what_retention_removed_at_the_end_is_explained() -> None:
    """A checkpoint knows the numbers still."""
    seen = witnesses(ROWS[8])

    assert [] == named(judged(ROWS[:6], seen, removed=((7, 9),)))
    assert [("removed", 9, 9)] == named(judged(ROWS[:6], seen, removed=((7, 8),)))


def test_a_forgotten_row_keeps_the_chain() -> None:
    """Payload and salt are gone, digest and numbers remain."""
    verdict = judged(changed(4, **GONE, forgotten=(0,), forgotten_in=(17,)))

    assert ([], [("forgotten", 4, 4)]) == (named(verdict), noted(verdict))
    assert "ledger entry 17" == verdict.outboxes[0].notes[0].detail
    assert 9 == verdict.outboxes[0].proven


@pytest.mark.parametrize(
    "marks",
    [
        {**GONE, "forgotten_in": (17,)},
        {**GONE, "forgotten": (0,)},
        {**GONE, "forgotten": (0,), "forgotten_in": (17,), "outputs": '{"prediction":[1]}'},
        {**GONE, "forgotten": (0,), "forgotten_in": (17,), "inputs": "[]"},
        {"forgotten": (0,), "forgotten_in": (17,)},
    ],
)
def test_what_is_gone_without_a_reason_is_accused(marks: dict[str, Any]) -> None:
    """So is what should be gone and stands there."""
    assert [("changed", 4, 4)] == named(judged(changed(4, **marks)))


def test_a_request_that_was_forgotten_in_part_keeps_the_chain() -> None:
    """The digest covers all rows, so nothing proves those that are left; it is not accused."""
    values = payloads(3, rows=2, body=msgspec.Raw(b'{"rows": [{"a": 1}, {"a": 2}]}'))
    rows = stored(values)
    rows[1] = rows[1].model_copy(
        update={
            "salt": None,
            "form": None,
            "inputs": '{"a":[1,null]}',
            "outputs": None,
            "forgotten": (1,),
            "forgotten_in": (17,),
        }
    )
    verdict = judged(rows)

    assert ([], [("forgotten in part", 2, 2)]) == (named(verdict), noted(verdict))
    assert 2 == verdict.outboxes[0].proven


def test_a_forgotten_dead_letter_keeps_the_chain() -> None:
    """Its payload is gone; what linked it was kept."""
    row = ROWS[4]
    letter = StoredRecord(
        number=row.number,
        kind="dead letter",
        stored_at=row.stored_at,
        digest=row.digest,
        chain=row.chain,
        payload="",
        forgotten_in=(17,),
    )
    verdict = judged([*ROWS[:4], letter, *ROWS[5:]])
    unread = letter.model_copy(update={"digest": None, "chain": None})

    assert ([], [("forgotten", 5, 5)]) == (named(verdict), noted(verdict))
    assert [("forgotten", 5, 5), ("unproven", 6, 6)] == noted(
        judged([*ROWS[:4], unread, *ROWS[5:]])
    )


def test_a_dead_letter_proves_itself() -> None:
    """Its payload holds all that the digest covers."""
    values = payloads(3)
    letter = StoredRecord(
        number=2,
        kind="dead letter",
        stored_at=datetime(2026, 1, 1, tzinfo=UTC),
        payload=b64encode(values[1]).decode(),
    )
    one, two, three = stored(values)
    forged = letter.model_copy(update={"payload": b64encode(values[1][:-3] + b"7]}").decode()})
    unreadable = letter.model_copy(update={"payload": b64encode(b"\xff").decode()})

    assert [("dead letter", 2, 2)] == noted(judged([one, letter, three]))
    assert ([], []) == (named(judged([one, two, letter, three])), noted(judged([one, two, three])))
    assert [("dead letter", 2, 2), ("unproven", 3, 3)] == noted(judged([one, unreadable, three]))
    assert [] != [*named(judged([one, forged, three])), *noted(judged([one, forged, three]))]


def test_a_corrected_dead_letter_is_no_accusation() -> None:
    """The letter holds what was recorded, the row what a person has made of it."""
    values = payloads(3)
    one, two, three = stored(values)
    letter = StoredRecord(
        number=2,
        kind="dead letter",
        stored_at=two.stored_at,
        payload=b64encode(values[1]).decode(),
    )
    bare = dict.fromkeys(("salt", "digest", "chain", "form"))
    corrected = two.model_copy(update={"inputs": '{"a":[9]}', **bare})
    verdict = judged([one, letter, corrected, three])

    assert ([], 3) == (named(verdict), verdict.outboxes[0].proven)
    assert [("corrected", 2, 2), ("dead letter", 2, 2)] == noted(verdict)


def test_an_older_folder_begins_a_chain() -> None:
    """What an earlier version wrote has none; the first that has says why it begins."""
    old = stored(encode(encoded(number)) for number in (1, 2))
    new = stored(payloads(2, first=3, begins="the record before it has no chain"))

    assert ([], [("not chained", 1, 2)]) == (named(judged(old)), noted(judged(old)))
    verdict = judged([*old, *new])
    assert [] == named(verdict)
    assert [("not chained", 1, 2), ("begins anew", 3, 3)] == noted(verdict)


@given(st.data())
def test_no_change_of_any_column_goes_unseen(data: st.DataObject) -> None:
    """Every column of every row is covered."""
    number = data.draw(st.integers(1, 9))
    name = data.draw(st.sampled_from(["request_id", "pipeline", "version", "caller", "inputs"]))
    row = ROWS[number - 1]
    value = data.draw(st.text().filter(lambda text: text != getattr(row, name)))

    assert [number] == [first for _, first, _ in named(judged(changed(number, **{name: value})))]
