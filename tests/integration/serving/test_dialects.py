"""KServe v1, MLflow's scoring protocol and columns, over HTTP and a real model."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pandas as pd
import pytest

from mlplatform import __version__

ROW = {"age": 1, "bmi": 2.0, "dose": 0.0, "class": "a"}
DATATYPES = {"age": "INT64", "bmi": "FP64", "dose": "FP64", "class": "BYTES"}


def requests(asked: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Path and document of every way to send these rows as JSON."""
    columns = {name: [row[name] for row in asked] for name in asked[0]}
    lists = [list(row.values()) for row in asked]
    tensors = [
        {"name": name, "datatype": datatype, "shape": [len(asked)], "data": columns[name]}
        for name, datatype in DATATYPES.items()
    ]
    plain, kserve = "/v1/models/ward/predict", "/v1/models/ward:predict"
    mlflow_paths = ("/invocations", "/models/ward/invocations")
    return [
        (plain, {"rows": asked}),
        (plain, {"columns": columns}),
        ("/v2/models/ward/infer", {"inputs": tensors, "outputs": [{"name": "prediction"}]}),
        (kserve, {"instances": asked}),
        (kserve, {"instances": lists}),
        (kserve, {"inputs": columns}),
        (mlflow_paths[0], {"dataframe_split": {"columns": list(asked[0]), "data": lists}}),
        (mlflow_paths[1], {"dataframe_records": asked}),
        (mlflow_paths[0], {"instances": lists}),
        (mlflow_paths[1], {"inputs": columns}),
    ]


def predicted(answer: httpx.Response) -> list[Any]:
    """The predictions in an answer of any dialect."""
    document = answer.json()
    found = document.get("predictions") or document["outputs"]
    return found[0]["data"] if isinstance(found[0], dict) else found  # type: ignore[no-any-return]


def test_the_same_rows_give_the_same_answers_and_records(shared: Any, scene: Any) -> None:
    """In every dialect: predictions, and the inputs and outputs that are stored."""
    asked = scene.rows(9, seed=4)

    answers = [shared.http.post(path, json=document) for path, document in requests(asked)]
    table = pd.DataFrame(asked).to_csv(index=False)
    answers += [
        shared.http.post("/invocations", content=table, headers={"content-type": "text/csv"})
    ]
    records = {record.request_id: record for record in shared.records()}
    stored = [records[answer.headers["x-request-id"]] for answer in answers]

    assert [200] * len(answers) == [answer.status_code for answer in answers]
    assert [predicted(answers[0])] * len(answers) == [predicted(answer) for answer in answers]
    assert all((one.inputs, one.outputs) == (stored[0].inputs, stored[0].outputs) for one in stored)


@pytest.mark.parametrize("path", ["/v1/models/ward:predict", "/invocations"])
def test_answers_without_a_version_name_it_in_a_header(shared: Any, path: str) -> None:
    """The bodies have no place for it."""
    answer = shared.http.post(path, json={"instances": [ROW]})

    assert "1" == answer.headers["x-model-version"]
    assert ["predictions"] == list(answer.json())


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/models/ward:predict", {"error": "{}"}),
        ("/invocations", {"error_code": "INVALID_PARAMETER_VALUE", "message": "{}"}),
        ("/models/ward/invocations", {"error_code": "INVALID_PARAMETER_VALUE", "message": "{}"}),
    ],
)
def test_errors_are_problem_documents_with_what_clients_look_for(
    shared: Any, path: str, members: dict[str, str]
) -> None:
    """As plain JSON: those clients read no other type."""
    answer = shared.http.post(path, json={"instances": [ROW | {"age": "x"}]})
    document = answer.json()
    said = "instances[0].age: row 0, column age: 'x' is a string, not a whole number"

    assert (422, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert "instances[0].age" == document["field"]
    assert {name: text.format(said) for name, text in members.items()} == {
        name: document[name] for name in members
    }


@pytest.mark.parametrize(
    ("path", "code", "member"),
    [
        ("/v1/models/xyz:predict", 404, "error"),
        ("/models/xyz/invocations", 404, "error_code"),
        ("/v1/models/ward:predict", 401, "error"),
        ("/invocations", 401, "error_code"),
    ],
)
def test_the_same_callers_are_let_in(shared: Any, path: str, code: int, member: str) -> None:
    """Right and model are decided as in every dialect, in the shape of its errors."""
    headers = {} if code == 401 else {"authorization": shared.http.headers["authorization"]}
    base = shared.http.base_url

    answer = httpx.post(f"{base}{path}", json={"instances": [ROW]}, headers=headers)

    assert code == answer.status_code
    assert member in answer.json()


def test_pages_of_kserve(shared: Any) -> None:
    """Which models there are, and whether one serves; an unknown one is a 404 that says so."""
    unknown = shared.http.get("/v1/models/xyz")

    assert {"models": ["ward"]} == shared.http.get("/v1/models").json()
    assert {"name": "ward", "ready": True} == shared.http.get("/v1/models/ward").json()
    assert {"status": "alive"} == shared.http.get("/").json()
    assert 404 == unknown.status_code
    assert "there is no model 'xyz' here" in unknown.json()["error"]


def test_pages_of_mlflow(shared: Any) -> None:
    """Probes of MLflow and SageMaker, without a token; the version is that of mlplatform."""
    base = shared.http.base_url
    pages = {path: httpx.get(f"{base}{path}") for path in ("/ping", "/health", "/version")}

    assert dict.fromkeys(pages, 200) == {path: one.status_code for path, one in pages.items()}
    assert __version__ == pages["/version"].text


def test_several_models_have_paths_of_their_own(serve: Any, platform: Any, scene: Any) -> None:
    """The path without a model is refused with the paths that there are, to known callers."""
    for name in ("ward", "clinic"):
        platform.promote(platform.publish(name, "1"))
    serving = serve("ward", "clinic")
    serving.until("/ping", 200)
    asked = {"instances": scene.rows(1)}

    single = serving.http.post("/invocations", json=asked)
    stranger = httpx.post(f"{serving.http.base_url}/invocations", json=asked)

    assert 200 == serving.http.post("/models/clinic/invocations", json=asked).status_code
    assert (404, "RESOURCE_DOES_NOT_EXIST") == (single.status_code, single.json()["error_code"])
    assert "/models/ward/invocations, /models/clinic/invocations" in single.json()["message"]
    assert 401 == stranger.status_code


def test_a_process_without_a_model_answers_in_their_shape(serve: Any) -> None:
    """503 on probes and predictions, before a version is promoted."""
    serving = serve("ward")
    ping = serving.until("/ping", 503)
    ready = serving.until("/v1/models/ward", 503)
    answer = serving.http.post("/invocations", json={"instances": [ROW]})

    assert "TEMPORARILY_UNAVAILABLE" == ping.json()["error_code"] == answer.json()["error_code"]
    assert "not available yet" in ready.json()["error"]
    assert 503 == answer.status_code


CLIENT = """
import json, sys
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
client = ScoringServerClient("127.0.0.1", int(sys.argv[1]))
client.wait_server_ready()
asked = pd.DataFrame(json.loads(sys.argv[2]))
answer = client.invoke(asked)
print(json.dumps([client.get_version(), answer["predictions"], len(answer.get_predictions())]))
"""


def test_a_client_of_mlflow_gets_predictions(serve: Any, platform: Any, scene: Any) -> None:
    """Its own scoring client with a data frame; it knows no token, so that none is asked for."""
    platform.promote(platform.publish("ward", "1"))
    serving = serve("ward", SERVING__AUTH="none")
    serving.until("/ping", 200)
    asked = scene.rows(5, seed=2)

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, str(serving.port), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    expected = serving.predict("ward", asked).json()["predictions"]

    assert (0, [__version__, expected, 5]) == (done.returncode, json.loads(done.stdout or "0")), (
        done.stderr
    )


def test_documentation_shows_every_form(shared: Any) -> None:
    """The OpenAPI page has an example for each, and these very requests are answered."""
    paths = shared.http.get("/openapi.json").json()["paths"]
    content = {
        path: paths[path]["post"]["requestBody"]["content"]
        for path in (
            "/v1/models/{model}/predict",
            "/v1/models/{model}:predict",
            "/invocations",
            "/models/{model}/invocations",
        )
    }

    assert {"rows", "columns"} == set(_examples(content["/v1/models/{model}/predict"]))
    assert {"objects", "lists", "columns"} == set(_examples(content["/v1/models/{model}:predict"]))
    for path in ("/invocations", "/models/{model}/invocations"):
        assert {"dataframe_split", "dataframe_records", "instances", "inputs"} == set(
            _examples(content[path])
        )
        assert content[path]["text/csv"]["example"].startswith("age,")
    assert {"/v1/models", "/v1/models/{model}", "/ping", "/health", "/version"} < set(paths)


def _examples(content: Any) -> dict[str, Any]:
    examples: dict[str, Any] = content["application/json"]["examples"]
    return examples
