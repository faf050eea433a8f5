"""How the body of a request can be told from its columns, byte for byte.

A stored row holds the inputs as columns. What was proven is the body as it was sent, so the row
also says how the one is made of the other: in a word like `rows`, `rows id` or `columns spaced`
where that is possible, otherwise as the body itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mlplatform.contracts.request_inputs import Inputs, RecordedInputs, columns_of

SPACED = "spaced"
"""JSON with a blank behind commas and colons, as Python's `json` writes it."""
_KINDS = ("rows", "columns")
_decoder = msgspec.json.Decoder(RecordedInputs)
_columns = msgspec.json.Decoder(Inputs)


def form_of(body: bytes, columns: Inputs, client_id: str | None) -> str:
    """How `body` is made of its columns: a form, or the body itself.

    Raises UnicodeDecodeError for a body that is not UTF-8.
    """
    kind = "columns" if b'"columns"' in body[:16] else "rows"
    style = [SPACED] if b'": ' in body else []
    fields = [[kind]] if client_id is None else [[kind, "id"], ["id", kind], [kind]]
    for found in fields:
        form = " ".join([*found, *style])
        if _made(form, columns, client_id) == body:
            return form
    return body.decode()


def body_of(form: str, inputs: bytes, client_id: str | None) -> bytes:
    """The body. What is no word of ours is the body itself.

    It is taken for it only where it holds the same inputs: raises ValueError otherwise, and
    MsgspecError for inputs that are no columns.
    """
    columns = _columns.decode(inputs)
    if form.startswith("{"):
        body = form.encode()
        recorded = _decoder.decode(body)
        rows = len(next(iter(columns.values()), []))
        if msgspec.json.encode(columns_of(recorded, rows)) != msgspec.json.encode(columns):
            raise ValueError("the inputs are not those of the body")
        return body
    made = _made(form, columns, client_id)
    if made is None:
        raise ValueError(f"unknown form {form[:40]!r}")
    return made


def _made(form: str, columns: Inputs, client_id: str | None) -> bytes | None:
    words = form.split(" ")
    spaced = words[-1] == SPACED
    document: dict[str, Any] = {}
    for word in words[:-1] if spaced else words:
        if word == "rows":
            names = list(columns)
            document[word] = [
                dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        elif word == "columns":
            document[word] = columns
        elif word == "id":
            document[word] = client_id
        else:
            return None
    try:
        made = msgspec.json.encode(document)
    except (OverflowError, ValueError):
        return None
    return msgspec.json.format(made, indent=0) if spaced else made
