"""The quarantine, and trying its rows again."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.errors import Forbidden


def test_quarantined_rows_can_be_tried_again(api: Any) -> None:
    """A redrive marks unresolved rows, all or by id.

    What can't be tried again is named with the reason.
    """
    api.send("manual-one", [{"width": "wide"}, {"width": "wider"}])
    api.featurise("manual-one")
    api.call(
        "writer",
        "POST",
        "/v1/datasets/manual-one.requests/rows",
        content=b"nonsense",
        headers={"Content-Type": "application/x-ndjson"},
    )
    line, second, first = (
        entry["id"]
        for entry in api.call("reader", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})
    )
    some = api.call(
        "writer",
        "POST",
        "/v1/quarantine/redrive",
        json={"pipeline": "manual-one", "ids": [first, line, 999_999]},
    )
    everything = api.call(
        "writer", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"}
    )

    assert (1, [line, 999_999]) == (some["redriven"], [item["id"] for item in some["skipped"]])
    assert [
        "it never became a row: correct it and send it again",
        "no such entry of 'manual-one'",
    ] == [item["reason"] for item in some["skipped"]]
    assert {"redriven": 2, "skipped": []} == everything
    assert second in [
        entry["id"] for entry in api.call("reader", "GET", "/v1/quarantine") if entry["redrive_at"]
    ]
    with pytest.raises(Forbidden):
        api.call("reader", "POST", "/v1/quarantine/redrive", json={"pipeline": "manual-one"})
    assert [] == api.call("stranger", "GET", "/v1/quarantine")
