"""Keys that stand twice are found, wherever they stand and however they are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.errors import InvalidInput
from mlplatform.strict_json import RepeatedKey, distinct, key_count, repeated_keys

KEYS = st.sampled_from(["a", "b", ":", '"', '":', ' ":', "é"]) | st.text(max_size=3)
DOCUMENTS: Any = st.recursive(
    st.none() | st.integers() | st.sampled_from(["12:30", '":', '" :', "\\", '\\":', ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(DOCUMENTS, st.sampled_from([None, 0, 2]), st.sampled_from([":", " : ", "\n:\t", ": "]))
def test_distinct_keys_pass_however_they_are_written(
    document: Any, indent: int | None, colon: str
) -> None:
    """Colons, quotes and blanks in texts and keys, and between them, make no key a second one."""
    body = json.dumps(document, indent=indent, separators=(",", colon)).encode()

    assert [] == repeated_keys(body, key_count(document))


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ('{"a":1,"a":2}', [((), "a")]),
        ('{"a" :1,"a"\n:2}', [((), "a")]),
        ('{"a":1,"\\u0061":":"}', [((), "a")]),
        ('[{"b":1},{"b":[{"c":{"d":1,"d":1}}]}]', [((1, "b", 0, "c"), "d")]),
        ('{"a":{"b":1},"a":{"b":2,"b":3},"c":[{"d":1,"d":1}]}', None),
        ('{"":1,"":2}', [((), "")]),
    ],
)
def test_every_object_with_a_key_twice_is_found(body: str, places: Any) -> None:
    """Its place and the key are named; a place inside of a lost value is not needed."""
    found = repeated_keys(body.encode(), key_count(json.loads(body)))
    expected = [((), "a"), (("a",), "b"), (("c", 0), "d")] if places is None else places

    assert [RepeatedKey(*place) for place in expected] == found


@given(DOCUMENTS.filter(lambda document: isinstance(document, dict) and document))
def test_a_key_that_was_written_again_is_never_certain(document: dict[str, Any]) -> None:
    """The count alone lets no second key pass, whatever the texts are."""
    text = json.dumps(document)
    again = json.dumps(next(iter(document)))
    body = f"{{{again} :0,{text[1:]}".encode()

    assert not distinct(body, key_count(document))


def test_a_document_that_json_cannot_read_is_refused() -> None:
    """What another decoder took is not passed unread."""
    with pytest.raises(InvalidInput, match="not JSON"):
        repeated_keys(b'{"a":}', -1)
    with pytest.raises(InvalidInput, match="nested too deeply"):
        repeated_keys(b"[" * 100_000, -1)
