"""Everything that Triton's client does with a model, over HTTP and gRPC.

    python of_triton.py SCENE

SCENE is JSON: where the server is, token, model, columns with their datatypes, rows. What the
client got is printed as JSON: case -> numbers, or the type and text of its error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.http as by_http
from tritonclient.utils import InferenceServerException

DTYPES = {"INT64": np.int64, "FP64": np.float64, "FP32": np.float32, "BYTES": object, "BOOL": bool}
SCENE: dict[str, Any] = json.loads(sys.argv[1])
MODEL, ROWS, DATATYPES = SCENE["model"], SCENE["rows"], SCENE["datatypes"]
MANY = ROWS * 400  # they take longer than the millisecond that a deadline is rounded up to


def headers() -> dict[str, str]:
    """New ones for each call: the client writes into them."""
    return {"authorization": f"Bearer {SCENE['token']}"}


def tensor(api: Any, name: str, datatype: str, values: Any, **how: Any) -> Any:
    """An input of either client."""
    array = np.array(values, DTYPES[datatype])
    made = api.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **how)
    return made


def columns(api: Any, rows: Any = ROWS, **how: Any) -> list[Any]:
    """A tensor for each column."""
    return [
        tensor(api, name, datatype, [row[name] for row in rows], **how)
        for name, datatype in DATATYPES.items()
    ]


def table(api: Any, datatype: str, **how: Any) -> list[Any]:
    """One tensor of all columns."""
    return [tensor(api, "input-0", datatype, [list(row.values()) for row in ROWS], **how)]


def outputs(result: Any, *names: str) -> dict[str, Any]:
    """Numbers by output, of those that came."""
    found = {name: result.as_numpy(name) for name in names or ("prediction", "probabilities")}
    return {name: values.tolist() for name, values in found.items() if values is not None}


def error(call: Callable[[], Any]) -> list[str | None]:
    """The client's error: its type, status and text."""
    try:
        return ["answered", None, str(call())]
    except InferenceServerException as failed:
        return [type(failed).__name__, failed.status(), failed.message()]


def bad_rows() -> list[dict[str, Any]]:
    """The rows, with no number in the second one where there must be one."""
    name = next(name for name, datatype in DATATYPES.items() if datatype == "FP64")
    return [ROWS[0], ROWS[1] | {name: float("nan")}, *ROWS[2:]]


def http() -> dict[str, Any]:
    """Over HTTP."""
    client = by_http.InferenceServerClient(SCENE["http"])

    def infer(inputs: list[Any], **more: Any) -> Any:
        return client.infer(MODEL, inputs, headers=headers(), **more)

    wanted = by_http.InferRequestedOutput
    only = [wanted("prediction", binary_data=False)]
    found: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": client.is_model_ready(MODEL),
        "version ready": client.is_model_ready(MODEL, SCENE["version"]),
        "unknown ready": client.is_model_ready("nobody"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata(MODEL, headers=headers()),
        "index": client.get_model_repository_index(headers=headers()),
        "binary": outputs(infer(columns(by_http))),
        "json": outputs(infer(columns(by_http, binary_data=False), outputs=only), "prediction"),
        "json in, binary out": outputs(infer(columns(by_http, binary_data=False))),
        "one output": outputs(infer(columns(by_http), outputs=[wanted("prediction")])),
        "gzip": outputs(infer(columns(by_http), request_compression_algorithm="gzip")),
        "deflate": outputs(infer(columns(by_http), request_compression_algorithm="deflate")),
        "gzip asked for": outputs(infer(columns(by_http), response_compression_algorithm="gzip")),
        "parameters": outputs(
            infer(columns(by_http), priority=1, timeout=1_000_000, parameters={"mine": "x"})
        ),
        "version": outputs(infer(columns(by_http), model_version=SCENE["version"])),
        "id": infer(columns(by_http), request_id="mine").get_response()["id"],
        "async": outputs(
            client.async_infer(MODEL, columns(by_http), headers=headers()).get_result()
        ),
        "bad value": error(lambda: infer(columns(by_http, bad_rows()))),
        "missing column": error(lambda: infer(columns(by_http)[1:])),
        "unknown model": error(lambda: client.infer("nobody", columns(by_http), headers=headers())),
        "other version": error(lambda: infer(columns(by_http), model_version="9")),
        "no token": error(lambda: client.infer(MODEL, columns(by_http))),
        "load": error(lambda: client.load_model(MODEL, headers=headers())),
    }
    if set(DATATYPES.values()) == {"FP64"}:
        found |= {
            "table": outputs(infer(table(by_http, "FP64"))),
            "table as json": outputs(infer(table(by_http, "FP64", binary_data=False))),
            "table of FP32": outputs(infer(table(by_http, "FP32"))),
        }
    client.close()
    return found


def grpc() -> dict[str, Any]:
    """Over gRPC."""
    client = by_grpc.InferenceServerClient(SCENE["grpc"])

    def infer(inputs: list[Any], **more: Any) -> Any:
        return client.infer(MODEL, inputs, headers=headers(), **more)

    found: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": client.is_model_ready(MODEL),
        "version ready": client.is_model_ready(MODEL, SCENE["version"]),
        "server": client.get_server_metadata(as_json=True),
        "model": client.get_model_metadata(MODEL, headers=headers(), as_json=True),
        "index": client.get_model_repository_index(headers=headers(), as_json=True),
        "binary": outputs(infer(columns(by_grpc))),
        "one output": outputs(
            infer(columns(by_grpc), outputs=[by_grpc.InferRequestedOutput("prediction")])
        ),
        "gzip": outputs(infer(columns(by_grpc), compression_algorithm="gzip")),
        "deadline": outputs(infer(columns(by_grpc), client_timeout=20.0)),
        "parameters": outputs(
            infer(columns(by_grpc), priority=1, timeout=1_000_000, parameters={"mine": "x"})
        ),
        "version": outputs(infer(columns(by_grpc), model_version=SCENE["version"])),
        "id": infer(columns(by_grpc), request_id="mine").get_response().id,
        "late": error(lambda: infer(columns(by_grpc, MANY), client_timeout=1e-6)),
        "bad value": error(lambda: infer(columns(by_grpc, bad_rows()))),
        "missing column": error(lambda: infer(columns(by_grpc)[1:])),
        "unknown model": error(lambda: client.infer("nobody", columns(by_grpc), headers=headers())),
        "other version": error(lambda: infer(columns(by_grpc), model_version="9")),
        "no token": error(lambda: client.infer(MODEL, columns(by_grpc))),
    }
    if set(DATATYPES.values()) == {"FP64"}:
        found |= {
            "table": outputs(infer(table(by_grpc, "FP64"))),
            "table of FP32": outputs(infer(table(by_grpc, "FP32"))),
        }
    client.close()
    return found


print(json.dumps({"http": http(), "grpc": grpc()}))
