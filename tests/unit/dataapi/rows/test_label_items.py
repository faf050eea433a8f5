"""Bodies of labels become items."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlplatform.dataapi.rows.label_items import read_document, read_item
from mlplatform.dataapi.rows.labels import Unreadable
from mlplatform.errors import InvalidInput

GOOD: dict[str, Any] = {"request_id": "r", "row": 0, "label": "12:30"}


@pytest.mark.parametrize(
    "text",
    [
        '{"request_id":"r","label":1,"label":2}',
        '{"request_id":"r","label" :":","l\\u0061bel": ":"}',
        '{"request_id":"r","label":{"a":1},"label":2}',
    ],
)
def test_a_label_with_a_key_twice_is_refused_alone(text: str) -> None:
    """In lines and in a document it is kept as it was sent; the labels beside it are taken."""
    wrong = Unreadable("the key 'label' is there twice", text, field="label")
    body = f'{{"labels": [{json.dumps(GOOD)}, {text}], "pipeline": "p"}}'

    assert [GOOD, wrong] == [read_item(json.dumps(GOOD).encode()), read_item(text.encode())]
    assert ([GOOD, wrong], "p") == read_document(body.encode(), None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"labels": [], "labels": [{}]}', "labels"),
        ('{"pipeline": "a", "labels": [], "pipeline" : "b"}', "pipeline"),
        ('{"labels": [}', "body"),
        ('{"labels": {}}', "labels"),
        ("[" * 100_000, "body"),
    ],
)
def test_a_document_with_two_meanings_is_refused_whole(body: str, field: str) -> None:
    """No label of it is taken."""
    with pytest.raises(InvalidInput) as refused:
        read_document(body.encode(), None)

    assert field == refused.value.field


def test_a_label_that_is_nested_deep_does_not_spoil_others() -> None:
    """Its keys are counted however deep they lie."""
    deep = '{"a":' * 600 + "1" + "}" * 600
    items, _ = read_document(f'{{"labels": [{json.dumps(GOOD)}, {deep}]}}'.encode(), None)

    assert [GOOD, dict] == [items[0], type(items[1])]


def test_a_line_that_is_not_json_is_kept() -> None:
    """With the reason, for people to read."""
    item = read_item(b'{"label": 1e999}')

    assert ('{"label": 1e999}', True) == (item.text, item.reason.startswith("not JSON"))
