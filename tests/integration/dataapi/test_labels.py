"""Labels in: what is true of a request, now or later corrected.

What can't be a label is named and kept.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.request import new_request_id
from mlplatform.errors import Forbidden, InvalidInput


def _ids(api: Any) -> list[str]:
    with api.databases.connect("dataapi", "raw") as connection:
        return [
            str(row[0])
            for row in connection.execute(
                "SELECT request_id FROM raw.requests ORDER BY log_offset"
            ).fetchall()
        ]


def _labels(api: Any) -> list[tuple[Any, ...]]:
    with api.databases.connect("dataapi", "warehouse") as connection:
        return connection.execute(
            "SELECT text, source, valid_to = 9223372036854775807 FROM warehouse.labels ORDER "
            "BY valid_from, text"
        ).fetchall()


def _send(api: Any, *labels: Any, **body: Any) -> Any:
    return api.call("writer", "POST", "/v1/feedback", json={"labels": list(labels), **body})


def test_a_correction_closes_the_old_label(api: Any) -> None:
    """A new label for a row ends the old one; the same label again changes nothing.

    The last of one body counts.
    """
    api.send("manual-one", [{"width": 1}])
    (request_id,) = _ids(api)
    label = {"request_id": request_id, "row": 0}
    answers = [
        _send(api, {**label, "label": "rose"}),
        _send(api, {**label, "label": "rose"}),
        _send(api, {**label, "label": "rose"}, {**label, "label": "daisy"}),
    ]

    assert [(1, []), (1, []), (2, [])] == [
        (answer["accepted"], answer["refused"]) for answer in answers
    ]
    assert [("rose", "feedback", False), ("daisy", "feedback", True)] == _labels(api)


def test_a_correction_of_history_shows_in_the_training_data(api: Any) -> None:
    """Feedback wins over the label that came with an imported row."""
    api.send("manual-one", [{"width": 1, "kind": "rose"}])
    api.featurise("manual-one")
    _send(api, {"request_id": _ids(api)[0], "label": "daisy"})
    api.databases.catch_up()
    with api.client("reader") as client:
        found = read_dataset(client, "manual-one.training", DatasetQuery())

    assert ["daisy"] == found.table["kind"].to_pylist()


def test_a_label_may_come_before_its_request(api: Any) -> None:
    """A label of a request that is not stored yet is taken when its pipeline is named."""
    early, other = new_request_id(), new_request_id()
    refused = _send(api, {"request_id": early, "label": "rose"})
    taken = _send(
        api,
        {"request_id": early, "label": "rose"},
        {"request_id": other, "label": "daisy", "pipeline": "auto-one"},
        pipeline="manual-one",
    )

    assert [{"index": 0, "field": "pipeline"}] == [
        {key: item[key] for key in ("index", "field")} for item in refused["refused"]
    ]
    assert "not stored yet" in refused["refused"][0]["reason"]
    assert (2, []) == (taken["accepted"], taken["refused"])


def test_what_is_no_label_is_named_and_kept(api: Any) -> None:
    """Every refused item is listed with index, field and reason, and lies in quarantine.

    The good ones count.
    """
    api.apply(
        "numbers",
        target={"name": "size", "dtype": "int64"},
        task="regression",
        tuning={"metric": "r2"},
        gates=[{"metric": "r2", "min": 0}],
    )
    api.send("manual-one", [{"width": 1}])
    (known,) = _ids(api)
    new = {"request_id": new_request_id(), "pipeline": "numbers"}
    items = [
        {"request_id": known, "row": 0, "label": "rose"},
        {"request_id": known, "row": 1, "label": "rose"},
        {"request_id": known, "row": -1, "label": "rose"},
        {"request_id": known, "row": 0, "label": "tulip"},
        {"request_id": known, "row": 0, "label": 1},
        {"request_id": known, "row": 0},
        {"request_id": known, "row": 0, "label": "rose", "pipeline": "auto-one"},
        {"request_id": "17", "row": 0, "label": "rose"},
        {"request_id": known, "lable": "rose"},
        "nonsense",
        {**new, "label": 1.5},
        {**new, "label": True},
        {**new, "label": 3},
        {"request_id": new_request_id(), "label": 1, "pipeline": "nobody"},
        {**new, "label": int("9" * 400)},
        {**new, "label": 2**53 + 1},
        {**new, "label": 1, "pipeline": "a\0"},
    ]
    answer = _send(api, *items)
    kept = api.call("admin", "GET", "/v1/quarantine")[::-1]

    assert 2 == answer["accepted"]
    assert [
        (1, "row"), (2, "row"), (3, "label"), (4, "label"), (5, "label"), (6, "pipeline"),
        (7, "request_id"), (8, "lable"), (9, ""),
        (10, "label"), (11, "label"), (13, "pipeline"), (14, "label"), (15, "label"),
        (16, "pipeline"),
    ] == [(item["index"], item["field"]) for item in answer["refused"]]  # fmt: skip
    items[16]["pipeline"] = "a\\u0000"
    assert [items[item["index"]] for item in answer["refused"]] == [
        entry["payload"]["label"] for entry in kept
    ]
    assert [
        "label refused: " + item["reason"].replace("\0", "\\u0000") for item in answer["refused"]
    ] == [entry["reason"] for entry in kept]


def test_a_label_under_a_wrong_name_hides_nothing(api: Any) -> None:
    """Sent before its request, for another pipeline, a label is that pipeline's.

    The right one counts when it comes.
    """
    early = new_request_id()
    _send(api, {"request_id": early, "label": "rose"}, pipeline="auto-one")
    _send(api, {"request_id": early, "label": "rose"}, pipeline="manual-one")
    with api.databases.connect("dataapi", "warehouse") as connection:
        found = connection.execute(
            "SELECT pipeline, text FROM warehouse.labels ORDER BY pipeline"
        ).fetchall()

    assert [("auto-one", "rose"), ("manual-one", "rose")] == found


def test_a_refused_label_is_kept_once(api: Any) -> None:
    """However often it is sent; another one for the same row is another entry."""
    label = {"request_id": new_request_id(), "row": 0, "pipeline": "manual-one"}
    for _ in range(2):
        _send(api, {**label, "label": "tulip"}, {**label, "label": "oak"}, "nonsense")

    assert 3 == len(api.call("admin", "GET", "/v1/quarantine"))


def test_a_limited_writer_learns_and_leaves_nothing_elsewhere(api: Any) -> None:
    """A writer learns nothing of other pipelines' requests, and does not fill their quarantine."""
    api.send("manual-one", [{"width": 1}])
    (known,) = _ids(api)
    items = [
        {"request_id": known, "row": 7, "label": "rose"},
        {"request_id": new_request_id(), "label": "rose", "pipeline": "manual-one"},
    ]
    answer = api.call(
        "limited", "POST", "/v1/feedback", json={"labels": items, "pipeline": "auto-one"}
    )

    assert ["'limited' may not label this request", "'limited' may not label 'manual-one'"] == [
        item["reason"] for item in answer["refused"]
    ]
    assert [] == api.call("admin", "GET", "/v1/quarantine", params={"pipeline": "manual-one"})
    assert 2 == len(api.call("admin", "GET", "/v1/quarantine"))


def test_a_text_must_fit_the_index(api: Any) -> None:
    """A label of 2,000 bytes is taken whatever its letters, a longer one named."""
    api.apply("words", target={"name": "word", "dtype": "string"})
    longest = "".join(chr(0x4E00 + number) for number in range(666)) + "ab"
    answer = _send(
        api,
        *({"request_id": new_request_id(), "label": text} for text in (longest, longest + "c")),
        pipeline="words",
    )

    assert (1, [(1, "label", "longer than 2000 bytes")]) == (
        answer["accepted"],
        [(item["index"], item["field"], item["reason"]) for item in answer["refused"]],
    )  # fmt: skip


def test_a_label_that_is_nested_deep_is_refused_alone(api: Any) -> None:
    """However deep, it is named and kept, cut; the good ones of the body count."""
    new = json.dumps({"request_id": new_request_id(), "label": "rose"})
    deep = '{"request_id": "17", "label": ' + "[" * 900 + "]" * 900 + "}"
    body = '{"pipeline": "manual-one", "labels": [' + new + "," + deep + "]}"
    answer = api.call(
        "writer", "POST", "/v1/feedback", content=body, headers={"Content-Type": "application/json"}
    )

    assert (1, [1]) == (answer["accepted"], [item["index"] for item in answer["refused"]])
    assert "[[[" in str(api.call("reader", "GET", "/v1/quarantine")[0]["payload"])


def test_ndjson_labels_are_taken(api: Any) -> None:
    """One label per line; a line that is no JSON is refused like any other item."""
    body = json.dumps({"request_id": new_request_id(), "label": "rose"}) + "\n\n{nonsense\n"
    answer = api.call(
        "writer",
        "POST",
        "/v1/feedback",
        params={"pipeline": "manual-one"},
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
    )

    assert (1, [1]) == (answer["accepted"], [item["index"] for item in answer["refused"]])
    assert "{nonsense" == api.call("reader", "GET", "/v1/quarantine")[0]["payload"]["line"]


def test_a_body_that_is_no_list_of_labels_is_refused(api: Any) -> None:
    """Broken JSON names its place; a missing or unknown field is named."""
    headers = {"Content-Type": "application/json"}
    with pytest.raises(InvalidInput, match=r"not JSON.*byte"):
        api.call("writer", "POST", "/v1/feedback", content=b'{"labels": [}', headers=headers)
    for body, field in [({"label": []}, "labels"), ({"labels": [], "extra": 1}, "extra")]:
        with pytest.raises(InvalidInput) as caught:
            api.call("writer", "POST", "/v1/feedback", json=body)
        assert field == caught.value.field


def test_who_labelled_what_is_in_the_ledger(api: Any) -> None:
    """One entry per pipeline in the transaction of the labels.

    A caller without the role is refused and entered.
    """
    _send(
        api,
        {"request_id": new_request_id(), "label": "rose"},
        {"request_id": new_request_id(), "label": "oak"},
        pipeline="manual-one",
    )
    with pytest.raises(Forbidden):
        api.call("reader", "POST", "/v1/feedback", json={"labels": []})
    done, refused = api.ledger(action="label")

    assert ("writer", "manual-one.labels", 1, "ok", {"refused": 1}) == tuple(
        done[name] for name in ("caller", "subject", "rows", "outcome", "detail")
    )
    assert ("reader", "Forbidden") == (refused["caller"], refused["outcome"])
