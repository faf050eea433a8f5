"""What the frame can do at best: bare ASGI under uvicorn, without validation, log and metrics.

    python reference.py constant|synced|onnx FOLDER PORT SCRATCH

`constant` reads the body and always sends the same answer, for as many rows as the last part of the
path says; `synced` writes and syncs the body to a file before it does so, one request at a time, on
the event loop itself; `onnx` runs our model file on the tensors.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import uvicorn

_HEAD = [(b"content-type", b"application/json")]
_KINDS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_BLOCKS = {
    "FP64": "block.float64",
    "INT64": "block.int64",
    "BOOL": "block.bool",
    "BYTES": "block.string",
}
Answer = Callable[[str, bytes], bytes]
_FILE_BYTES = 64 * 1024 * 1024


class Tensor(msgspec.Struct):
    """Of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class Body(msgspec.Struct):
    """Of a request."""

    inputs: list[Tensor]


def constant(folder: Path) -> Answer:
    """Answers of the first rows, for any rows."""
    expected = json.loads((folder / "rows.json").read_bytes())["expected"]
    answers = {count: _encoded(expected[:count]) for count in (1, 100)}

    def answer(path: str, _: bytes) -> bytes:
        return answers[100 if path.endswith("/100") else 1]

    return answer


def synced(folder: Path, scratch: Path) -> Answer:
    """The same, after one write and one sync to a file whose blocks have been written before."""
    answer, end = constant(folder), 0
    file = os.open(scratch / "synced", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(file, bytes(_FILE_BYTES))
    os.fsync(file)

    def stored(path: str, body: bytes) -> bytes:
        nonlocal end
        begin = end if end + len(body) <= _FILE_BYTES else 0
        end = begin + os.pwrite(file, body, begin)
        os.fdatasync(file)
        return answer(path, body)

    return stored


def onnx(folder: Path) -> Answer:
    """Our model file on JSON tensors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / "ours" / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    inputs = {node.name: _KINDS[node.type] for node in session.get_inputs()}
    decode = msgspec.json.Decoder(Body).decode

    def answer(_: str, body: bytes) -> bytes:
        feed = fed(decode(body).inputs, inputs)
        return _encoded(session.run(["prediction"], feed)[0].reshape(-1).tolist())

    return answer


def fed(tensors: list[Tensor], inputs: dict[str, Any]) -> dict[str, Any]:
    """A block of columns per type, as our model files want them."""
    if len(tensors) == 1:
        [(name, kind)] = inputs.items()
        return {name: np.array(tensors[0].data, kind).reshape(tensors[0].shape)}
    blocks = {name: [] for name in inputs}
    for tensor in tensors:
        blocks[_BLOCKS[tensor.datatype]].append(tensor.data)
    return {name: np.array(blocks[name], kind).T for name, kind in inputs.items()}


def _encoded(values: list[Any]) -> bytes:
    kind = "INT64" if isinstance(values[0], int) else "FP64"
    output = {"name": "prediction", "datatype": kind, "shape": [len(values)], "data": values}
    return msgspec.json.encode({"model_name": "model", "model_version": "1", "outputs": [output]})


def application(answer: Answer) -> Callable[..., Any]:
    """As little ASGI as there can be."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message["body"])
            more = message["more_body"]
        body = answer(scope["path"], b"".join(pieces))
        headers = [*_HEAD, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main(kind: str, folder: str, port: str, scratch: str) -> None:
    """Serve until SIGTERM."""
    if kind == "synced":
        answer = synced(Path(folder), Path(scratch))
    else:
        answer = {"constant": constant, "onnx": onnx}[kind](Path(folder))
    uvicorn.run(
        application(answer),
        port=int(port),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
