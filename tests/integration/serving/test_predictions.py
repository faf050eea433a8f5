"""Predictions over HTTP: both dialects, what is stored, metadata, access, refusals."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

DATATYPES = {"age": "INT64", "bmi": "FP64", "dose": "FP32", "class": "BYTES"}


def tensors(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": datatype,
            "shape": [len(asked), 1],
            "data": [row[name] for row in asked],
        }
        for name, datatype in DATATYPES.items()
    ]


def test_both_dialects_give_the_same_answer(shared: Any, scene: Any) -> None:
    """Plain rows and tensors of the same rows are answered alike."""
    asked = scene.rows(7, seed=3)

    plain = shared.predict("ward", asked, id="mine").json()
    answer = shared.http.post(
        "/v2/models/ward/infer", json={"id": "mine", "inputs": tensors(asked)}
    ).json()
    outputs = {output["name"]: output for output in answer["outputs"]}

    assert plain["predictions"] == outputs["prediction"]["data"]
    assert [[row["0"], row["1"]] for row in plain["probabilities"]] == [
        outputs["probabilities"]["data"][place : place + 2] for place in range(0, 14, 2)
    ]
    assert ("INT64", [7]) == (outputs["prediction"]["datatype"], outputs["prediction"]["shape"])
    assert ("FP64", [7, 2]) == (
        outputs["probabilities"]["datatype"],
        outputs["probabilities"]["shape"],
    )
    assert ("mine", "mine") == (plain["client_id"], answer["id"])


def test_an_answered_request_is_stored_as_it_was_sent_and_answered(shared: Any, scene: Any) -> None:
    """The record in the outbox holds ids, caller, inputs with key and time, and the outputs."""
    asked = [
        row | {"patient": f"p{place}", "seen_at": "2026-01-02T03:04:05Z"}
        for place, row in enumerate(scene.rows(2, seed=5))
    ]

    answer = shared.predict("ward", asked, id="mine")
    record = next(record for record in shared.records() if record.request_id == answer.json()["id"])

    assert answer.headers["x-request-id"] == record.request_id
    assert ("ward", "1", "client", "mine", 2) == (
        record.pipeline,
        record.version,
        record.caller,
        record.client_id,
        record.rows,
    )
    assert {name: [row[name] for row in asked] for name in asked[0]} == record.inputs
    assert answer.json()["predictions"] == record.outputs["prediction"]
    assert [list(row.values()) for row in answer.json()["probabilities"]] == record.outputs[
        "probabilities"
    ]


def test_numbers_of_stored_requests_have_no_gaps(shared: Any, scene: Any) -> None:
    """Every answered request has the next number of its outbox, in one outbox."""
    for row in scene.rows(5):
        shared.predict("ward", [row])

    records = shared.records()
    assert list(range(1, len(records) + 1)) == [record.sequence for record in records]
    assert {shared.http.get("/v1/outbox").json()["outbox_id"]} == {
        record.outbox_id for record in records
    }


def test_only_requested_outputs_are_sent(shared: Any, scene: Any) -> None:
    """A client that names one output gets that one."""
    body = {"inputs": tensors(scene.rows(1)), "outputs": [{"name": "probabilities"}]}

    answer = shared.http.post("/v2/models/ward/infer", json=body).json()

    assert ["probabilities"] == [output["name"] for output in answer["outputs"]]
    assert answer["id"] == answer["parameters"]["request_id"]


def test_metadata_follows_the_protocol(shared: Any) -> None:
    """Server and model say what they are; inputs are the raw columns of the signature."""
    model = shared.http.get("/v2/models/ward").json()

    assert "mlplatform" == shared.http.get("/v2").json()["name"]
    assert {"live": True} == shared.http.get("/v2/health/live").json()
    assert {"ready": True, "waiting_for_promotion": [], "not_loaded": {}} == shared.http.get(
        "/v2/health/ready"
    ).json()
    assert {"name": "ward", "ready": True} == shared.http.get("/v2/models/ward/ready").json()
    assert ("ward", ["1"], "onnx_onnxv1") == (model["name"], model["versions"], model["platform"])
    assert {"name": "age", "datatype": "INT64", "shape": [-1]} == model["inputs"][0]
    assert {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]} == model["outputs"][1]


def test_a_pinned_version_answers_only_if_it_is_loaded(shared: Any, scene: Any) -> None:
    """The version in the path is honoured, or refused with the one that is loaded."""
    body = {"inputs": tensors(scene.rows(1))}

    refused = shared.http.post("/v2/models/ward/versions/9/infer", json=body)

    assert 200 == shared.http.post("/v2/models/ward/versions/1/infer", json=body).status_code
    assert 404 == refused.status_code
    assert "loaded is 1" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("token", "model", "code"),
    [
        ("client", "ward", 200),
        ("narrow", "ward", 403),
        ("reader", "ward", 403),
        ("nobody", "ward", 401),
        (None, "ward", 401),
        ("client", "xyz", 404),
    ],
)
def test_only_callers_with_the_role_are_answered(
    shared: Any, scene: Any, token: str | None, model: str, code: int
) -> None:
    """The role predict on that very pipeline is needed."""
    headers = {} if token is None else {"authorization": f"Bearer {scene.TOKENS.get(token, 'x')}"}

    answer = httpx.post(
        f"{shared.http.base_url}/v1/models/{model}/predict",
        json={"rows": scene.rows(1)},
        headers=headers,
    )

    assert code == answer.status_code
    assert 200 == code or "application/problem+json" == answer.headers["content-type"]
    assert code != 401 or "Bearer" == answer.headers["www-authenticate"]


@pytest.mark.parametrize("known", [0, 1])
def test_two_authorization_headers_are_refused(shared: Any, scene: Any, known: int) -> None:
    """Whichever of them is known: predictions and metadata get the same 401."""
    tokens = ["x", "x"]
    tokens[known] = scene.TOKENS["client"]
    headers = [("authorization", f"Bearer {token}") for token in tokens]
    base = shared.http.base_url
    answers = [
        httpx.post(f"{base}/v1/models/ward/predict", json={"rows": scene.rows(1)}, headers=headers),
        httpx.get(f"{base}/v2/models/ward", headers=headers),
    ]

    assert [401, 401] == [answer.status_code for answer in answers]
    assert {"there are 2 Authorization headers"} == {answer.json()["detail"] for answer in answers}


def test_an_offered_upgrade_loses_no_row(shared: Any, scene: Any) -> None:
    """As Java's client and `curl --http2` send it."""
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AA"}
    answers = [
        shared.http.post("/v1/models/ward/predict", json={"rows": scene.rows(1)}, headers=upgrade)
        for _ in range(2)
    ]

    assert [200, 200] == [answer.status_code for answer in answers]


ROW = {"age": 1, "bmi": 2.0, "dose": 0.0, "class": "a"}
BAD_ROWS = [
    ({"rows": [ROW, ROW | {"bmi": "x"}]}, "rows[1].bmi", "row 1, column bmi: 'x' is a string"),
    ({"rows": [ROW | {"age": 1.5}]}, "rows[0].age", "row 0, column age: 1.5 is not a whole number"),
    ({"rows": [ROW | {"age": True}]}, "rows[0].age", "row 0, column age: True is a bool"),
    ({"rows": [ROW | {"age": 2**63}]}, "rows[0].age", "too large for 64 bits"),
    ({"rows": [ROW | {"bmi": None}]}, "rows[0].bmi", "row 0, column bmi: is null"),
    ({"rows": [ROW, {"age": 1}]}, "rows[1].bmi", "row 1: missing column bmi, dose, class"),
    ({"rows": [ROW | {"agee": 1}]}, "rows[0].agee", "row 0: unknown column agee"),
    ({"rows": [ROW | {"class": "a\0"}]}, "rows[0].class", "NUL"),
    ({"rows": [ROW | {"patient": [1]}]}, "rows[0].patient", "row 0, column patient"),
    ({"rows": []}, "rows", "at least one row"),
    ({"rows": [1]}, "rows[0]", "row 0 must be an object"),
    ({"rows": [ROW], "id": 5}, "id", "not a string"),
    ({"rows": [ROW], "id": "x" * 257}, "id", "longer than 256"),
    ({"rows": [ROW], "extra": 5}, "extra", "unknown fields"),
    ([], "body", "JSON object"),
]


@pytest.mark.parametrize(("body", "field", "detail"), BAD_ROWS)
def test_a_bad_row_is_refused_with_row_and_column(
    shared: Any, body: Any, field: str, detail: str
) -> None:
    """422, and the problem names what is wrong where."""
    answer = shared.http.post(
        "/v1/models/ward/predict",
        content=json.dumps(body),
        headers={"content-type": "application/json"},
    )

    assert (422, field) == (answer.status_code, answer.json()["field"])
    assert detail in answer.json()["detail"]


def bent(**change: Any) -> dict[str, Any]:
    """The tensors of one row, the first one changed."""
    first, *rest = tensors([ROW])
    return {"inputs": [first | change, *rest]}


BAD_TENSORS = [
    (bent(datatype="BYTES"), "inputs.age", "column age can't be a tensor of 'BYTES'"),
    (bent(datatype="FP64"), "inputs.age", "it may be INT64"),
    (bent(shape=[2]), "inputs.bmi.shape", "rows"),
    (bent(shape=[1, 2]), "inputs.age.shape", "the shape must be [rows] or [rows, 1]"),
    (bent(shape=[0]), "inputs.age.shape", "at least one row"),
    (bent(shape=[True]), "inputs.age.shape", "the shape must be"),
    (bent(data=[1, 2]), "inputs.age.data", "has 2 values, its shape says 1"),
    (bent(data="1"), "inputs.age.data", "must be a list"),
    (bent(data=["1"]), "inputs.age[0]", "row 0, column age: '1' is a string"),
    (bent(name="agee"), "inputs.age", "missing column age"),
    (bent(name=5), "inputs[0]", "a tensor is an object"),
    ({"inputs": [*tensors([ROW]), tensors([ROW])[0]]}, "inputs[4].name", "comes twice"),
    (
        {"inputs": [*tensors([ROW]), {"name": "z", "datatype": "FP64", "shape": [1], "data": [1]}]},
        "inputs.z",
        "unknown column z",
    ),
    ({"inputs": []}, "inputs", "at least one tensor"),
    ({"inputs": tensors([ROW]), "outputs": [{"name": "z"}]}, "outputs", "no output 'z'"),
    ({"inputs": tensors([ROW]), "outputs": [{"name": ["z"]}]}, "outputs", "no output"),
]


@pytest.mark.parametrize(("body", "field", "detail"), BAD_TENSORS)
def test_a_bad_tensor_is_refused_with_row_and_column(
    shared: Any, body: Any, field: str, detail: str
) -> None:
    """422, and the problem names what is wrong where."""
    answer = shared.http.post("/v2/models/ward/infer", json=body)

    assert (422, field) == (answer.status_code, answer.json()["field"])
    assert detail in answer.json()["detail"]


def test_values_that_are_right_after_all_are_taken(shared: Any) -> None:
    """3.0 is a whole number, nested data of [1, 1] are one value, key tensors are stored."""
    nested = bent(data=[[3.0]], shape=[1, 1])
    nested["inputs"].append({"name": "patient", "datatype": "BYTES", "shape": [1], "data": ["p1"]})

    answer = shared.http.post("/v2/models/ward/infer", json=nested)
    record = next(
        record for record in shared.records() if record.request_id == answer.headers["x-request-id"]
    )

    assert 200 == answer.status_code
    assert ([3], ["p1"]) == (record.inputs["age"], record.inputs["patient"])


HEADERS_REFUSED = [
    ({"content-type": "text/plain"}, 415),
    ({"content-type": "application/json; charset=utf-8"}, 200),
    ({"content-encoding": "br"}, 415),
    ({"content-encoding": "identity"}, 200),
    ({"inference-header-content-length": "5"}, 415),
]


@pytest.mark.parametrize(("headers", "code"), HEADERS_REFUSED)
def test_unknown_media_are_refused(shared: Any, headers: dict[str, str], code: int) -> None:
    """Only plain JSON is read."""
    given = {"content-type": "application/json"} | headers

    assert (
        code
        == shared.http.post(
            "/v1/models/ward/predict", content=json.dumps({"rows": [ROW]}), headers=given
        ).status_code
    )


@pytest.mark.parametrize(
    "path", ["/v1/models/ward/predict?verbose=1", "/v2/models/ward/infer?verbose"]
)
def test_query_parameters_are_refused(shared: Any, path: str) -> None:
    """There are none, and whoever sends one expects something of it; the connection goes on."""
    answers = [shared.http.post(path, json={"rows": [ROW]}) for _ in range(2)]
    described = shared.http.get("/v2/models/ward?verbose=1")

    assert [(422, "verbose")] * 3 == [
        (answer.status_code, answer.json()["field"]) for answer in (*answers, described)
    ]


def test_sizes_are_bounded(shared: Any) -> None:
    """Too many rows are refused, and too large bodies with or without a declared length."""
    many = shared.predict("ward", [ROW] * 2001)
    declared = shared.http.post("/v1/models/ward/predict", content=b"[" * 600_000)
    chunked = shared.http.post(
        "/v1/models/ward/predict", content=(b"[" * 10_000 for _ in range(60))
    )

    assert [413, 413, 413] == [many.status_code, declared.status_code, chunked.status_code]
    assert "2001 rows" in many.json()["detail"]


def test_documentation_shows_the_routes(shared: Any) -> None:
    """The OpenAPI page has the prediction routes with their examples."""
    paths = shared.http.get("/openapi.json").json()["paths"]

    body = paths["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert {
        "/v1/models/{model}/predict",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
    } < set(paths)
    assert all("inputs" in one["value"] for one in body["examples"].values())


def test_metrics_count_answers(shared: Any, scene: Any) -> None:
    """Requests, rows and the version that answers are on the metrics page."""
    shared.predict("ward", scene.rows(3))

    page = shared.http.get("/metrics").text
    assert 'mlplatform_serving_requests_total{code="200",pipeline="ward"}' in page
    assert 'mlplatform_serving_rows_total{pipeline="ward",version="1"}' in page
    assert 'mlplatform_serving_model_info{format="onnx",pipeline="ward",version="1"} 1.0' in page
