"""The official clients of other servers get our numbers and, in their own errors, our messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlplatform import __version__

Got = Callable[[str, str, Any], Any]
PAGES = ("live", "ready", "model ready", "version ready")
BAD = "row 1, column {}: is null, and the column allows no nulls"
TRITON, KSERVE, MLFLOW = "of_triton.py", "of_kserve.py", "of_mlflow.py"


def column(scene: Any) -> str:
    """The column that the clients send a bad value in."""
    return next(name for name, datatype in scene.datatypes.items() if datatype == "FP64")


def outputs(found: dict[str, Any]) -> dict[str, Any]:
    """The cases that gave tensors."""
    return {
        case: one for case, one in found.items() if isinstance(one, dict) and "prediction" in one
    }


def expected(scene: Any, found: dict[str, Any]) -> dict[str, Any]:
    """What they must be: scikit-learn's numbers, of the outputs that came."""
    return {
        case: {name: scene.outputs[name] for name in given}
        for case, given in outputs(found).items()
    }


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_client_of_triton_gets_the_numbers(got: Got, scene: Any, transport: str) -> None:
    """As JSON and bytes, per column and as one tensor, compressed, selected, by version."""
    found = got("triton", TRITON, scene)[transport]
    whole = set(scene.outputs)

    assert expected(scene, found) == outputs(found)
    assert {"binary", "one output", "gzip", "parameters", "version"} < outputs(found).keys()
    assert ("table" in found) == (scene.model == "numbers")
    assert {"prediction"} == set(found["one output"])
    assert whole == set(found["binary"]) == set(found["gzip"])
    assert "mine" == found["id"]


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_client_of_triton_reads_the_pages(got: Got, scene: Any, transport: str) -> None:
    """Live, ready, metadata of server and model, and the index of the repository."""
    found = got("triton", TRITON, scene)[transport]
    index = found["index"] if transport == "http" else found["index"]["models"]
    model = found["model"]

    assert [True] * len(PAGES) == [found[page] for page in PAGES]
    assert ("mlplatform", __version__) == (found["server"]["name"], found["server"]["version"])
    assert ["binary_tensor_data", "model_repository"] == found["server"]["extensions"]
    assert [(scene.model, scene.version, "READY")] == [
        (line["name"], line["version"], line["state"]) for line in index
    ]
    assert (scene.model, [scene.version]) == (model["name"], model["versions"])
    assert scene.datatypes == {one["name"]: one["datatype"] for one in model["inputs"]}
    assert list(scene.outputs) == [one["name"] for one in model["outputs"]]


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_client_of_triton_raises_its_own_errors(got: Got, scene: Any, transport: str) -> None:
    """With our message and status: row, column, what to do."""
    found = got("triton", TRITON, scene)[transport]
    first, bad = next(iter(scene.datatypes)), column(scene)
    codes = {
        "bad value": ("422", "INVALID_ARGUMENT", f"inputs.{bad}[1]: {BAD.format(bad)}"),
        "missing column": ("422", "INVALID_ARGUMENT", f"inputs.{first}: missing column {first}"),
        "unknown model": ("404", "NOT_FOUND", "there is no model 'nobody' here"),
        "other version": ("404", "NOT_FOUND", f"loaded is {scene.version}"),
        "no token": ("401", "UNAUTHENTICATED", "a bearer token is needed"),
    }
    if transport == "http":
        codes["load"] = ("409", "", "its promotion decides")
    else:
        codes["late"] = ("", "DEADLINE_EXCEEDED", "")

    for case, (code, status, text) in codes.items():
        kind, told, message = found[case]
        assert "InferenceServerException" == kind, case
        assert (code if transport == "http" else f"StatusCode.{status}") == told
        assert text in message


@pytest.mark.parametrize("protocol", ["v2", "grpc"])
def test_the_client_of_kserve_gets_the_numbers_of_v2(got: Got, scene: Any, protocol: str) -> None:
    """Over HTTP and gRPC, as JSON, typed contents and bytes, and within a deadline."""
    found = got("kserve", KSERVE, scene)[protocol]
    forms = {"v2": {"json", "binary", "one output"}, "grpc": {"typed", "raw", "deadline"}}

    assert expected(scene, found) == outputs(found)
    assert forms[protocol] <= outputs(found).keys()
    assert ("table" in found) == (scene.model == "numbers")
    assert found["live"]
    assert found["ready"]
    assert found["model ready"]


def test_the_client_of_kserve_gets_the_numbers_of_v1(got: Got, scene: Any) -> None:
    """Objects, lists and columns; the answer of columns is where TensorFlow Serving has it."""
    found = got("kserve", KSERVE, scene)["v1"]
    answers = [
        found["instances"]["predictions"],
        found["lists"]["predictions"],
        found["inputs"]["outputs"],
    ]

    assert [scene.outputs["prediction"]] * 3 == answers
    assert found["live"]
    assert found["model ready"]


def test_the_client_of_kserve_raises_its_own_errors(got: Got, scene: Any) -> None:
    """HTTPStatusError and RpcError hold our message."""
    found, bad = got("kserve", KSERVE, scene), column(scene)
    missing, null = "'x' is a string, not a number", BAD.format(bad)
    wanted = {
        ("v1", "bad value"): ("HTTPStatusError", 422, missing),
        ("v1", "unknown model"): ("HTTPStatusError", 404, "there is no model 'nobody' here"),
        ("v1", "no token"): ("HTTPStatusError", 401, "a bearer token is needed"),
        ("v2", "bad value"): ("HTTPStatusError", 422, null),
        ("v2", "unknown model"): ("HTTPStatusError", 404, "there is no model 'nobody' here"),
        ("v2", "no token"): ("HTTPStatusError", 401, "a bearer token is needed"),
        ("grpc", "bad value"): ("AioRpcError", "INVALID_ARGUMENT", null),
        ("grpc", "no token"): ("AioRpcError", "UNAUTHENTICATED", "a bearer token is needed"),
        ("grpc", "late"): ("AioRpcError", "DEADLINE_EXCEEDED", ""),
    }

    assert not found["v2"]["unknown ready"]
    for (protocol, case), (kind, code, text) in wanted.items():
        assert [kind, code] == found[protocol][case][:2]
        assert text in found[protocol][case][2]


def test_the_client_of_mlflow_gets_the_numbers(got: Got, open_scene: Any) -> None:
    """Frames, also with columns in another order, lists, records, split, instances, inputs."""
    found = got("mlflow", MLFLOW, open_scene)
    answers = {
        case: one for case, one in found.items() if isinstance(one, list) and case[-1] != "!"
    }

    assert 8 == len(answers)
    assert dict.fromkeys(answers, open_scene.outputs["prediction"]) == answers
    assert __version__ == found["version"]


def test_the_client_of_mlflow_raises_its_own_errors(got: Got, open_scene: Any) -> None:
    """They hold our document with MLflow's code."""
    found, bad = got("mlflow", MLFLOW, open_scene), column(open_scene)
    wanted = {
        "bad value!": f"row 1, column {bad}: 'x' is a string, not a number",
        "missing column!": f"missing column {bad}",
        "params!": "models take no parameters",
    }

    for case, text in wanted.items():
        kind, message = found[case]
        assert "Exception" == kind
        assert "error code 422" in message
        assert "INVALID_PARAMETER_VALUE" in message
        assert text in message
