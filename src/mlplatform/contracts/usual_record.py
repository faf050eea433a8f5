"""The record that serving writes today, read without a detour.

Nearly all records of a queue are of the newest format, proven, with their fields in the order in
which they were encoded. Of such a one the large parts are looked at once each. Whatever is not
exactly that is left to `contracts.request`, which knows every format and says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from mlplatform.contracts.chain import LAST_NUMBER
from mlplatform.contracts.request import MOST_ROWS, Proof
from mlplatform.contracts.request_form import form_of
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import InvalidInput

LONGEST_NAME = 250
"""Characters of a name. They are far shorter; PostgreSQL indexes no value above 2,700 bytes."""
_Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
_LAST_US = 2**32 * 1_000_000  # in the year 2106: any later time is looked at more closely


class UsualRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts such that PostgreSQL takes them. `body` and `outputs` are JSON as it was sent."""

    kind: Literal["request"]
    outbox_id: UUID
    sequence: Annotated[int, msgspec.Meta(ge=1, le=LAST_NUMBER)]
    request_id: UUID
    pipeline: _Name
    version: _Name
    caller: _Name
    client_id: str | None
    received_us: Annotated[int, msgspec.Meta(ge=0, lt=_LAST_US)]
    rows: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    dialect: str
    proof: Proof
    format: Literal[2]
    body: msgspec.Raw
    outputs: msgspec.Raw


class UsualContent(msgspec.Struct, frozen=True):
    """Inputs as columns and outputs, both JSON text, and the form of the body (`request_form`)."""

    inputs: str
    outputs: str
    form: str


_decoder = msgspec.json.Decoder(UsualRecord)
_body_decoder = msgspec.json.Decoder(RecordedInputs)
_outputs_decoder = msgspec.json.Decoder(dict[str, list[Any]])
_encode = msgspec.json.Encoder().encode


def usual(data: bytes) -> tuple[UsualRecord, UsualContent] | None:
    """The record and its content; None where it must be read by `contracts.request.decode`."""
    try:
        record = _decoder.decode(data)
        body, outputs = bytes(record.body), bytes(record.outputs)
        if not _as_encoded(data, body, outputs):
            return None
        recorded = _body_decoder.decode(body)
        columns = columns_of(recorded, record.rows)
        _outputs_decoder.decode(outputs)
        # Of one row no columns have to be taken apart again to see this.
        if columns and record.rows == 1 and _encode({"rows": recorded.rows}) == body:
            form = "rows"
        else:
            form = form_of(body, columns, record.client_id)
        return record, UsualContent(_encode(columns).decode(), outputs.decode(), form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidInput):
        return None


def _as_encoded(data: bytes, body: bytes, outputs: bytes) -> bool:
    """Whether both parts are there once, at the end, and no name is written with escapes.

    Of a name that is there twice the last value counts, and the first one is looked at as well:
    where that can't be excluded, it is not looked at here. Escapes also hide NUL.
    """
    tail = b"".join((b',"body":', body, b',"outputs":', outputs, b"}"))
    head = data[: -len(tail)]
    hidden = b"\\" in head or b'"body"' in head or b'"outputs"' in head
    return not hidden and data.endswith(tail)
