"""The digest of a record is the SHA-256 of what it covers, however it is computed."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from chained import encoded

from mlplatform.contracts import chain as chains


@pytest.mark.parametrize("size", [0, 1_800, 2_047, 2_048, 4_094, 10_000, 32_768, 33_000, 100_000])
def test_the_digest_covers_all_bytes(size: int) -> None:
    """As the module says it: salt, facts, body, outputs; no length and no byte is left out."""
    record, salt = encoded(7), bytes(range(16))
    body, outputs = bytes(each % 251 for each in range(size)), b'{"predict":[1.5]}'
    facts = (record.request_id, record.pipeline, record.version, record.caller, record.client_id)
    head = msgspec.json.encode((*facts, record.received_us, record.rows, size, len(outputs)))
    found = chains.digest_of(salt, record, memoryview(body), memoryview(outputs))

    assert sha256(salt + head + body + outputs).digest() == found
