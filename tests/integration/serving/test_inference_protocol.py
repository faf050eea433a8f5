"""Open Inference Protocol v2 over HTTP: binary tensors, the model repository, errors."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

DATATYPES = {"age": "INT64", "bmi": "FP64", "dose": "FP32", "class": "BYTES"}
DTYPES = {"INT64": "<i8", "FP64": "<f8", "FP32": "<f4"}
INFER = "/v2/models/ward/infer"
LENGTH = "inference-header-content-length"


def packed(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text)) + text.encode() for text in values)
    return np.array(values, DTYPES[datatype]).tobytes()


def binary(asked: list[dict[str, Any]], **more: Any) -> tuple[bytes, int]:
    """The rows as one binary tensor per column: the body, and how much of it is JSON."""
    data = [packed(datatype, [row[name] for row in asked]) for name, datatype in DATATYPES.items()]
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [len(asked)],
            "parameters": {"binary_data_size": len(values)},
        }
        for (name, datatype), values in zip(DATATYPES.items(), data, strict=True)
    ]
    head = json.dumps({"inputs": inputs} | more).encode()
    return b"".join([head, *data]), len(head)


def send(shared: Any, body: bytes, length: Any, **headers: str) -> httpx.Response:
    answer: httpx.Response = shared.http.post(
        INFER, content=body, headers={LENGTH: str(length), **headers}
    )
    return answer


def outputs(answer: httpx.Response) -> Iterator[tuple[str, list[Any]]]:
    """Names and values of an answer's binary outputs."""
    length = int(answer.headers[LENGTH])
    place = length
    for one in json.loads(answer.content[:length])["outputs"]:
        end = place + one["parameters"]["binary_data_size"]
        yield (
            one["name"],
            np.frombuffer(answer.content[place:end], DTYPES[one["datatype"]]).tolist(),
        )
        place = end
    assert len(answer.content) == place


def test_bytes_are_answered_and_stored_as_plain_rows_are(shared: Any, scene: Any) -> None:
    """The numbers are the same in both directions, and a reader of records sees the same inputs."""
    asked = [row | {"dose": float(np.float32(row["dose"]))} for row in scene.rows(7, seed=3)]
    plain = shared.predict("ward", asked)

    answer = send(shared, *binary(asked, parameters={"binary_data_output": True}))
    found = dict(outputs(answer))

    assert "application/octet-stream" == answer.headers["content-type"]
    assert plain.json()["predictions"] == found["prediction"]
    assert [list(row.values()) for row in plain.json()["probabilities"]] == [
        found["probabilities"][place : place + 2] for place in range(0, 14, 2)
    ]
    first, second = (
        next(one for one in shared.records() if one.request_id == sent.headers["x-request-id"])
        for sent in (plain, answer)
    )
    assert (first.inputs, first.outputs) == (second.inputs, second.outputs)


def test_bytes_are_answered_as_json_unless_asked_for(shared: Any, scene: Any) -> None:
    """Either direction is the client's choice, also with a content type of its own."""
    body, length = binary(scene.rows(2))

    answers = [
        send(shared, body, length),
        send(shared, body, length, **{"content-type": "application/octet-stream"}),
    ]

    assert [(200, "application/json")] * 2 == [
        (answer.status_code, answer.headers["content-type"]) for answer in answers
    ]
    assert [2] == answers[0].json()["outputs"][0]["shape"]


@pytest.mark.parametrize(
    ("length", "headers", "code"),
    [
        ("x", {}, 422),
        ("-1", {}, 422),
        ("9" * 5000, {}, 422),
        ("1000000", {}, 422),
        ("0", {}, 422),
        ("5", {"content-type": "text/plain"}, 415),
    ],
)
def test_odd_lengths_of_json_are_refused(
    shared: Any, scene: Any, length: str, headers: dict[str, str], code: int
) -> None:
    """The header must be a number of bytes, at most those of the body."""
    answer = send(shared, binary(scene.rows(1))[0], length, **headers)

    assert code == answer.status_code


def test_bytes_without_the_header_are_refused(shared: Any) -> None:
    """Nothing says what of it is JSON."""
    answer = shared.http.post(
        INFER, content=b"{}", headers={"content-type": "application/octet-stream"}
    )

    assert 415 == answer.status_code


def test_a_row_of_bytes_that_does_not_fit_is_named(shared: Any, scene: Any) -> None:
    """As in JSON."""
    rows = scene.rows(3)
    rows[1]["bmi"] = float("nan")

    answer = send(shared, *binary(rows))

    assert (422, "inputs.bmi[1]") == (answer.status_code, answer.json()["field"])


def test_the_index_shows_what_a_caller_may_use(shared: Any, scene: Any) -> None:
    """Each model with its version and state; nothing without a token."""
    ward = [{"name": "ward", "version": "1", "state": "READY", "reason": ""}]
    url = f"{shared.http.base_url}/v2/repository/index"
    narrow = {"authorization": f"Bearer {scene.TOKENS['narrow']}"}

    found = [
        shared.http.post("/v2/repository/index", content=body).json()
        for body in (b"", b"{}", b'{"ready": true}')
    ]

    assert [ward] * 3 == found
    assert [] == httpx.post(url, headers=narrow).json()
    assert 401 == httpx.post(url).status_code
    assert 422 == shared.http.post("/v2/repository/index", content=b'{"ready": 1}').status_code


@pytest.mark.parametrize("act", ["load", "unload"])
def test_clients_can_not_load_or_unload(shared: Any, act: str) -> None:
    """The answer says what does."""
    answer = shared.http.post(f"/v2/repository/models/ward/{act}")

    assert 409 == answer.status_code
    assert "promotion" in answer.json()["detail"]


def test_the_server_names_its_extensions(shared: Any) -> None:
    """Clients look there before they send bytes."""
    assert ["binary_tensor_data", "model_repository"] == shared.http.get("/v2").json()["extensions"]
