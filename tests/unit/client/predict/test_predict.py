"""Many rows: cut into requests, answered in order, never sent again once they may be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tensor_server import TensorServer

from mlplatform.client.dataapi import DataApi
from mlplatform.client.platform_client import PlatformClient
from mlplatform.client.predict import predict
from mlplatform.errors import (
    InvalidInput,
    Overloaded,
    RowRefused,
    SettingsError,
    TooLarge,
    Unavailable,
)

ROWS = 5_001


Connect = Callable[[TensorServer], PlatformClient]


@pytest.fixture
def client(client_of: Callable[..., Any]) -> Connect:
    """A client of the platform whose data API is never called."""
    api = DataApi("http://127.0.0.1:1", None)
    return lambda server: PlatformClient(api, client_of(server), api)


def rows(count: int = ROWS, **changed: Any) -> list[dict[str, Any]]:
    """Rows that say their number."""
    row = {"width": 1.0, "count": 2, "ready": True} | changed
    return [{**row, "colour": str(number)} for number in range(count)]


def test_answers_come_in_order_with_their_requests(client: Connect) -> None:
    """Every row has its own answer, chances, request id and place there, and was sent once."""
    server = TensorServer()
    with client(server) as platform:
        found = platform.predict("flowers", rows())

    assert [str(number) for number in range(ROWS)] == found.predictions
    assert (ROWS, 2) == found.probabilities.shape
    assert [2_000, 2_000, 1_001] == [each.rows for each in found.requests]
    assert (ROWS, ["3"]) == (len(found), found.versions)
    stored = sorted((row for each in server.requests for row in each["colour"]), key=int)
    assert found.predictions == stored
    places = {(each["colour"][0]): number for number, each in enumerate(server.requests, 1)}
    assert [f"id-{places[str(each.first)]}" for each in found.requests] == [
        each.id for each in found.requests
    ]
    assert (0, 1_999, 0) == tuple(found.places[each] for each in (0, 1_999, 2_000))
    assert found.requests[1].id == found.request_ids[2_000]


def test_a_request_has_bounded_bytes(client: Connect) -> None:
    """Long texts make requests of fewer rows; one row that is longer than a request goes alone."""
    server = TensorServer()
    long = rows(300)
    for row in long[100:]:
        row["colour"] *= 9_000
    long[-1]["colour"] = "x" * predict.REQUEST_BYTES
    with client(server) as platform:
        found = platform.predict("flowers", long)

    assert [row["colour"] for row in long] == found.predictions
    assert max(sum(map(len, each["colour"])) for each in server.requests) <= predict.REQUEST_BYTES
    assert 1 == found.requests[-1].rows


def test_lower_limits_of_serving_are_found(client: Connect) -> None:
    """A request that gets 413 is stored nowhere, so it is sent in two halves."""

    def before(count: int) -> None:
        if count > 700:
            raise TooLarge("too many rows")

    server = TensorServer(before)
    with client(server) as platform:
        found = platform.predict("flowers", rows())

    assert [str(number) for number in range(ROWS)] == found.predictions
    assert ROWS == sum(len(each["colour"]) for each in server.requests)


def test_a_busy_server_is_asked_again(client: Connect) -> None:
    """429 says that nothing was taken: the request is sent again after the pause it names."""
    left = [3]

    def before(_: int) -> None:
        if left[0]:
            left[0] -= 1
            raise Overloaded("busy", retry_after_s=0.01)

    server = TensorServer(before)
    with client(server) as platform:
        found = platform.predict("flowers", rows(10))

    assert (10, 1) == (len(found), len(server.requests))


def test_what_may_be_stored_is_not_sent_again(client: Connect) -> None:
    """503 may come for a request that is on disk: it ends the call, and says what was answered."""
    seen: list[int] = []

    def before(count: int) -> None:
        seen.append(count)
        if len(seen) > 1:
            raise Unavailable("the disk hangs")

    with (
        client(TensorServer(before)) as platform,
        pytest.raises(Unavailable, match="hangs") as told,
    ):
        platform.predict("flowers", rows(4_000), threads=1)

    assert [2_000, 2_000] == seen
    assert ["2,000 other rows were answered, and are stored: requests id-1 …"] == (
        told.value.__notes__
    )


def test_a_wrong_row_is_counted_in_the_whole_table(client: Connect) -> None:
    """Serving counts from the request's first row, the error from the table's."""
    wrong = rows()
    wrong[4_321]["count"] = 1.5
    with client(TensorServer()) as platform, pytest.raises(InvalidInput) as told:
        platform.predict("flowers", wrong)

    assert "count[4321]" == told.value.field


def test_a_row_that_the_model_refuses_is_counted_too(client: Connect) -> None:
    """Also where only the message says which row it is."""

    def before(count: int) -> None:
        if count == 1_001:
            raise RowRefused("no answer", row=7)

    with (
        client(TensorServer(before)) as platform,
        pytest.raises(RowRefused, match="row 4007: no answer"),
    ):
        platform.predict("flowers", rows())


def test_missing_and_unknown_columns_are_named(client: Connect) -> None:
    """Before anything is sent, or by serving; both list the model's columns."""
    server, frame = TensorServer(), pd.DataFrame(rows(3))
    with client(server) as platform:
        with pytest.raises(InvalidInput, match="missing column count") as missing:
            platform.predict("flowers", frame.drop(columns="count"))
        with pytest.raises(InvalidInput, match="unknown column late") as unknown:
            platform.predict("flowers", frame.assign(late=1))

    assert [] == server.requests
    for told in (missing, unknown):
        assert "columns are width, count, ready, colour" in told.value.fix


def test_a_platform_that_is_away_is_named(client: Connect) -> None:
    """The address that does not answer, and what to do."""
    server = TensorServer()

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    server.answer = away
    with (
        client(server) as platform,
        pytest.raises(Unavailable, match="no answer from serving at http://serving") as told,
    ):
        platform.predict("flowers", rows(1))

    assert "mlplatform status" in told.value.fix


def test_labels_of_an_answer(client: Connect) -> None:
    """Each known truth becomes a label of its row; there must be one for every row."""
    with client(TensorServer()) as platform:
        found = platform.predict("flowers", rows(3))
    labels = list(found.labels(["yes", None, "no"]))

    assert [(0, "yes"), (2, "no")] == [(each.row, each.label) for each in labels]
    assert {("id-1", "flowers")} == {(each.request_id, each.pipeline) for each in labels}
    column = pd.Series([1, None, 0], dtype="Int64")
    for truth in (column, column.astype("float64"), pa.array(column), [np.int64(1), None, 0]):
        assert [(0, 1), (2, 0)] == [(each.row, each.label) for each in found.labels(truth)]
    assert "<3 predictions by flowers version 3, in 1 request(s)>" == repr(found)
    with pytest.raises(InvalidInput, match="2 labels for 3 rows"):
        list(found.labels([1, 2]))


def test_an_answer_as_a_frame(client: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row each, with request id and place; without pandas the error says what to install."""
    with client(TensorServer()) as platform:
        found = platform.predict("flowers", rows(2))
    names = ["prediction", "probability_no", "probability_yes", "request_id", "row"]

    assert names == list(found.to_pandas().columns)
    assert ["0", 0.25, 0.75, "id-1", 0] == found.to_pandas().iloc[0].tolist()
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(SettingsError, match="pip install pandas"):
        found.to_pandas()
