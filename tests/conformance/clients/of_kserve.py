"""Everything that KServe's client does with a model: v1, v2 and gRPC.

    python of_kserve.py SCENE

See of_triton.py for SCENE and for what is printed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.infer_type import RequestedOutput

DTYPES = {"INT64": np.int64, "FP64": np.float64, "FP32": np.float32, "BYTES": object, "BOOL": bool}
SCENE: dict[str, Any] = json.loads(sys.argv[1])
HEADERS = {"authorization": f"Bearer {SCENE['token']}"}
URL = f"http://{SCENE['http']}"
MODEL, ROWS, DATATYPES = SCENE["model"], SCENE["rows"], SCENE["datatypes"]
MANY = ROWS * 400  # they take longer than the millisecond that a deadline is rounded up to


def tensor(name: str, datatype: str, values: Any, *, binary: bool) -> Any:
    """An input, as bytes or as a list."""
    array = np.array(values, DTYPES[datatype])
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def request(rows: Any = ROWS, *, binary: bool = False, only: str | None = None) -> InferRequest:
    """A tensor for each column."""
    inputs = [
        tensor(name, datatype, [row[name] for row in rows], binary=binary)
        for name, datatype in DATATYPES.items()
    ]
    wanted = None if only is None else [RequestedOutput(only)]
    return InferRequest(MODEL, inputs, request_id="mine", request_outputs=wanted)


def table(*, binary: bool) -> InferRequest:
    """One tensor of all columns."""
    values = [list(row.values()) for row in ROWS]
    return InferRequest(MODEL, [tensor("input-0", "FP64", values, binary=binary)])


def outputs(response: Any) -> dict[str, Any]:
    """Numbers by output."""
    return {output.name: output.as_numpy().tolist() for output in response.outputs}


async def error(call: Awaitable[Any]) -> list[Any]:
    """The client's error: its type, status and text."""
    try:
        return ["answered", None, str(await call)]
    except httpx.HTTPStatusError as failed:
        return [type(failed).__name__, failed.response.status_code, str(failed)]
    except grpc.RpcError as failed:
        return [type(failed).__name__, failed.code().name, failed.details()]


def bad_rows(value: Any) -> list[dict[str, Any]]:
    """The rows, with that value in the second one."""
    name = next(name for name, datatype in DATATYPES.items() if datatype == "FP64")
    return [ROWS[0], ROWS[1] | {name: value}, *ROWS[2:]]


async def v1() -> dict[str, Any]:
    """KServe v1."""
    client = InferenceRESTClient(RESTConfig(protocol="v1"))

    async def infer(document: Any, model: str = MODEL, **more: Any) -> Any:
        return await client.infer(URL, document, model_name=model, **{"headers": HEADERS} | more)

    lists = [list(row.values()) for row in ROWS]
    whole = {name: [row[name] for row in ROWS] for name in DATATYPES}
    found = {
        "live": await client.is_server_live(URL),
        "model ready": await client.is_model_ready(URL, MODEL),
        "instances": await infer({"instances": ROWS}),
        "lists": await infer({"instances": lists}),
        "inputs": await infer({"inputs": whole}),
        "bad value": await error(infer({"instances": bad_rows("x")})),
        "unknown model": await error(infer({"instances": lists}, model="nobody")),
        "no token": await error(infer({"instances": lists}, headers={})),
    }
    await client.close()
    return found


async def v2() -> dict[str, Any]:
    """Open Inference Protocol v2 over HTTP."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def infer(asked: InferRequest, model: str = MODEL, **more: Any) -> Any:
        headers = {"headers": dict(HEADERS)} | more
        return await client.infer(URL, asked, model_name=model, **headers)

    found = {
        "live": await client.is_server_live(URL),
        "ready": await client.is_server_ready(URL),
        "model ready": await client.is_model_ready(URL, MODEL),
        "unknown ready": await client.is_model_ready(URL, "nobody"),
        "json": outputs(await infer(request())),
        "binary": outputs(await infer(request(binary=True))),
        "one output": outputs(await infer(request(only="prediction"))),
        "id": (await infer(request())).id,
        "bad value": await error(infer(request(bad_rows(float("nan")), binary=True))),
        "unknown model": await error(infer(request(), model="nobody")),
        "no token": await error(infer(request(), headers={})),
    }
    if set(DATATYPES.values()) == {"FP64"}:
        found["table"] = outputs(await infer(table(binary=False)))
        found["binary table"] = outputs(await infer(table(binary=True)))
    await client.close()
    return found


async def by_grpc() -> dict[str, Any]:
    """Open Inference Protocol v2 over gRPC."""
    client = InferenceGRPCClient(SCENE["grpc"])
    token = tuple(HEADERS.items())

    async def infer(asked: InferRequest, **more: Any) -> Any:
        return await client.infer(asked, **{"headers": token} | more)

    found = {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model ready": await client.is_model_ready(MODEL),
        "typed": outputs(await infer(request())),
        "raw": outputs(await infer(request(binary=True))),
        "deadline": outputs(await infer(request(), timeout=20.0)),
        "late": await error(infer(request(MANY), timeout=1e-6)),
        "bad value": await error(infer(request(bad_rows(float("nan"))))),
        "no token": await error(infer(request(), headers=())),
    }
    if set(DATATYPES.values()) == {"FP64"}:
        found["table"] = outputs(await infer(table(binary=True)))
    await client.close()
    return found


async def main() -> None:
    """Print what each protocol gave."""
    print(json.dumps({"v1": await v1(), "v2": await v2(), "grpc": await by_grpc()}))


logging.disable(logging.CRITICAL)
asyncio.run(main())
