"""The body of a request is rebuilt from its columns, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from chained import encoded, judged, named, payloads, stored
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.chain import digest_of
from mlplatform.contracts.request_form import body_of, form_of

CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
NAMES = st.text(min_size=1, max_size=5)
ROW = st.dictionaries(NAMES, CELLS, min_size=1, max_size=4)
STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {},
        {"ensure_ascii": False},
        {"separators": (",", ":"), "ensure_ascii": False},
        {"indent": 1},
    ]
)


@given(ROW, st.integers(1, 3), STYLES, st.none() | st.text(), st.booleans())
def test_any_body_comes_back(
    row: dict[str, Any], rows: int, style: dict[str, Any], client_id: str | None, by_rows: bool
) -> None:
    """Odd floats, escapes, NUL in a client's id and huge integers, however they were written."""
    columns = {name: [cell] * rows for name, cell in row.items()}
    document: dict[str, Any] = {"rows": [row] * rows} if by_rows else {"columns": columns}
    if client_id is not None:
        document["id"] = client_id
    body = json.dumps(document, **style).encode()
    (payload,) = payloads(1, body=msgspec.Raw(body), rows=rows, client_id=client_id)
    (record,) = stored([payload])
    assert record.form is not None

    assert body == body_of(record.form, (record.inputs or "").encode(), record.client_id)
    assert [] == named(judged([record]))


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b'{"rows":[{"a":1.5}]}', "rows"),
        (b'{"rows": [{"a": 1.5}]}', "rows spaced"),
        (b'{"columns":{"a":[1.5]}}', "columns"),
        (b'{"rows":[{"a":1.50}]}', '{"rows":[{"a":1.50}]}'),
    ],
)
def test_what_is_usual_takes_a_word(body: bytes, form: str) -> None:
    """Only what no word of ours can say is stored twice."""
    assert form == form_of(body, {"a": [1.5]}, None)


def test_a_client_id_may_come_first() -> None:
    """Clients write the fields of a body in any order."""
    assert "id rows" == form_of(b'{"id":"x","rows":[{"a":1}]}', {"a": [1]}, "x")
    assert "rows id spaced" == form_of(b'{"rows": [{"a": 1}], "id": "x"}', {"a": [1]}, "x")


@pytest.mark.parametrize("form", ["", "columns rows", "nothing", "rows  "])
def test_no_form_breaks_it(form: str) -> None:
    """Whoever owns the database may write anything there."""
    (row,) = stored(payloads(1))
    verdict = judged([row.model_copy(update={"form": form})])

    assert [("changed", 1, 1)] == named(verdict)


def test_the_digest_is_what_its_description_says() -> None:
    """Written down once more, as whoever verifies without this platform would."""
    import hashlib  # noqa: PLC0415

    record = encoded(7, request_id="018f", client_id="é\0")
    facts = '["018f","demo","3","tester","é␀",1700000000123463,1,20,20]'.encode()
    body, outputs = bytes(record.body), bytes(record.outputs)
    expected = hashlib.sha256(b"s" * 16 + facts + body + outputs).digest()

    assert expected == digest_of(b"s" * 16, record, body, outputs)
