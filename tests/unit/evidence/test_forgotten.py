"""Whatever is forgotten, the chain closes, and a change beside it shows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from chained import encoded, judged, named, noted, stored
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts import chain as chains
from mlplatform.contracts.evidence import StoredRecord
from mlplatform.contracts.request import encode
from mlplatform.serving.chain import RecordGroup
from mlplatform.serving.salts import Salts

RECORDS, ROWS = 8, 3
PLACES = st.sets(st.tuples(st.integers(1, RECORDS), st.integers(0, ROWS - 1)))


def _made() -> list[StoredRecord]:
    """Records of three rows each."""
    first = encoded(1)
    group = RecordGroup(chains.before(first.outbox_id, 1), "", Salts())
    for number in range(1, RECORDS + 1):
        rows = [{"a": number * 10 + row} for row in range(ROWS)]
        outputs = {"prediction": [number] * ROWS}
        body, answer = msgspec.json.encode({"rows": rows}), msgspec.json.encode(outputs)
        values: dict[str, Any] = {"body": msgspec.Raw(body), "outputs": msgspec.Raw(answer)}
        record = group.sealed(encoded(number, rows=ROWS, **values))
        group.take(record, encode(record))
    return stored(group.payloads)


MADE = _made()


def forgotten(record: StoredRecord, rows: set[int]) -> StoredRecord:
    """The record without the values of some rows, as the database leaves it."""
    if not rows:
        return record
    parts = {"inputs": "{}", "outputs": None}
    if len(rows) < ROWS:
        for name in parts:
            columns = json.loads(getattr(record, name))
            parts[name] = json.dumps(
                {
                    column: [None if row in rows else value for row, value in enumerate(values)]
                    for column, values in columns.items()
                }
            )
    marks = {"forgotten": tuple(rows), "forgotten_in": (17,) * len(rows)}
    return record.model_copy(update={"salt": None, "form": None, **parts, **marks})


@given(PLACES)
def test_the_chain_closes_over_any_rows(places: set[tuple[int, int]]) -> None:
    """Nothing is accused; a request counts as proven unless only some of its rows are left."""
    gone = {number: {row for each, row in places if each == number} for number in range(1, 9)}
    verdict = judged([forgotten(record, gone[record.number]) for record in MADE])
    parts = [number for number, rows in gone.items() if 0 < len(rows) < ROWS]

    assert [] == named(verdict)
    assert RECORDS - len(parts) == verdict.outboxes[0].proven
    assert {number for number, rows in gone.items() if rows} == {
        number for _, first, last in noted(verdict) for number in range(first, last + 1)
    }


@given(PLACES, st.integers(1, RECORDS))
def test_a_change_beside_it_shows(places: set[tuple[int, int]], number: int) -> None:
    """Also where a value is put in the place of one that was forgotten."""
    gone = {each: {row for other, row in places if other == each} for each in range(1, 9)}
    records = [forgotten(record, gone[record.number]) for record in MADE]
    changed = records[number - 1].model_copy(update={"outputs": '{"prediction":[0,0,0]}'})
    records[number - 1] = changed

    assert [("changed", number, number)] == named(judged(records))
