"""What the parts of serving cost, as ratios within one run.

    python tests/benchmarks/serving.py [--seconds 3] [--rounds 3] [--only "without chain"]

One server process per variant, a linear model with 30 numbers (breast-cancer), plain rows, bearer
token; one load process on the same machine: raw sockets on loopback, each in a closed loop. Rounds
go through all variants in turn, so that a busy machine hits all of them; the ratio is the median
over rounds. `CPU` is processor time of the server per answer, which a busy machine blurs least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn

from mlplatform.access import AccessList, Caller, Role, digest
from mlplatform.contracts.columns import Column, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.request import EncodedRecord
from mlplatform.engine.onnx import load as load_onnx
from mlplatform.features.acceptance import accept
from mlplatform.features.code import FeatureSet
from mlplatform.outbox import OutboxStatus, OutboxWriter
from mlplatform.serving.app import BehindPredictions, Collaborators, create_app
from mlplatform.serving.chain import RecordChain, RecordGroup
from mlplatform.serving.handler import Handler
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.request import PendingRequest
from mlplatform.serving.salts import Salts
from mlplatform.serving.slot import Slot, Slots
from mlplatform.serving.warmup import warm_up
from mlplatform.settings import ServingSettings

TOKEN = "benchmark"
NAMES = tuple(f"f{number}" for number in range(30))
CAPACITY = 1 << 33
PRODUCT, UNCHAINED, UNLOGGED, FASTAPI, SINGLE = VARIANTS = (
    "product",
    "without chain",
    "without outbox",
    "through FastAPI",
    "one request per model call",
)


class UnchainedGroup(RecordGroup):
    """Records without a proof."""

    def sealed(self, record: EncodedRecord) -> EncodedRecord:
        """As it is."""
        return record

    def take(self, record: EncodedRecord, payload: bytes) -> None:
        """Nothing moves on."""
        del record
        self.payloads.append(payload)
        self.size += len(payload)


class Unchained(RecordChain):
    """What the chain is measured against: the recorder as it was without."""

    def group(self) -> RecordGroup:
        """Without a salt for any."""
        return UnchainedGroup(b"", "", Salts())


class Unlogged:
    """Lets answers go without storing them: what the recorder is measured against."""

    max_record_bytes = 1_000_000

    def commit_s(self) -> float:
        """Nothing is waited for."""
        return 0.0

    def refuse_if_hung(self) -> None:
        """There is no disk."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, requests: Sequence[PendingRequest]) -> None:
        """Let them go."""
        for pending in requests:
            pending.finish()

    async def status(self) -> OutboxStatus:
        """Nothing."""
        return OutboxStatus("", 0, 0, 0)

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Cell:
    """One variant under one load in one round.

    Answers a second, latencies (ms), and the server's processor time (us) per answer.
    """

    rate: float
    cpu: float
    p50: float
    p99: float


def serve(variant: str, folder: Path, port: int) -> None:
    """Run one variant until it is ended."""
    limits = ServingSettings(max_batch=1 if variant == SINGLE else 64, max_waiting=10_000)
    writer = OutboxWriter.open(
        folder / f"outbox-{variant}", segment_bytes=1 << 26, capacity_bytes=CAPACITY
    )
    recorder = (
        RequestRecorder(writer, max_record_bytes=1_000_000, capacity_bytes=CAPACITY)
        if variant != UNLOGGED
        else Unlogged()
    )
    if variant == UNCHAINED:
        recorder._chain = Unchained(writer)
    slot = Slot("bench", limits=limits, deliver=recorder.submit)
    slot.swap(load_model(folder))
    access = AccessList([Caller(name="bench", roles=(Role.PREDICT,), sha256=digest(TOKEN))])
    handler = Handler(
        slots=Slots([slot]),
        recorder=recorder,  # type: ignore[arg-type]
        access=access,
        limits=limits,
    )
    parts = Collaborators(handler=handler)
    app = BehindPredictions(parts) if variant == FASTAPI else create_app(parts)
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)


def load_model(folder: Path) -> LoadedModel:
    """The model that `train` wrote."""
    signature = make_signature()
    version = ModelVersion(
        pipeline="bench",
        version="1",
        state="champion",
        run_id="-",
        artifacts="-",
        manifest_sha256="0" * 64,
        features_digest="0" * 64,
        commit="-",
        format="onnx",
        receipt_id="-",
        created_at=datetime.now(UTC),
    )
    features = FeatureSet(
        digest="0" * 64,
        inputs=signature.inputs,
        engineer=None,
        where="",
        accepted=accept(None, signature.inputs, "", None),
    )
    model = LoadedModel(
        version, signature, features, load_onnx((folder / "model.onnx").read_bytes(), signature, ())
    )
    warm_up(model)
    return model


def make_signature() -> Signature:
    """30 numbers in, a class and two probabilities out."""
    return Signature(
        pipeline="bench",
        task="classification",
        inputs=tuple(Column(name=name, dtype="float64") for name in NAMES),
        features=tuple(Feature(name=name, dtype="float64") for name in NAMES),
        outputs=(
            Output(name="prediction", dtype="int64"),
            Output(name="probabilities", dtype="float64", width=2),
        ),
        classes=(0, 1),
        format="onnx",
        model_file="model.onnx",
        features_digest="0" * 64,
        commit="-",
    )


def train(folder: Path) -> list[dict[str, float]]:
    """Write a model.onnx; returns rows to ask for."""
    # Imported here: the served variants, which are this same file, must not carry scikit-learn.
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    from mlplatform.engine.onnx_compile import compile_onnx  # noqa: PLC0415

    data = load_breast_cancer(as_frame=True)
    table = data.data.set_axis(list(NAMES), axis="columns")
    estimator = make_pipeline(
        ColumnTransformer([("scale", StandardScaler(), list(NAMES))]), LogisticRegression()
    ).fit(table, data.target)
    signature = make_signature()
    (folder / "model.onnx").write_bytes(
        compile_onnx(
            estimator, signature.features, ["prediction", "probabilities"], precision="float32"
        )
    )
    return [
        {str(name): float(value) for name, value in row.items()} for row in table.to_dict("records")
    ]


class Connection(asyncio.Protocol):
    """One caller in a closed loop."""

    def __init__(self, request: bytes, until: float, seconds: list[float]) -> None:
        self._request = request
        self._until = until
        self._seconds = seconds
        self._buffer = b""
        self._started = 0.0
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take the answer, check its code, ask again."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < int(
            head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        ):
            return
        assert head.startswith(b"HTTP/1.1 200"), self._buffer
        self._seconds.append(time.perf_counter() - self._started)
        self._buffer = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Done, or broken."""
        if not self.gone.done():
            self.gone.set_result(None) if exc is None else self.gone.set_exception(exc)

    def _ask(self) -> None:
        self._started = time.perf_counter()
        if self._started < self._until:
            self._transport.write(self._request)
        else:
            self._transport.close()


async def press(port: int, pid: int, requests: list[bytes], callers: int, seconds: float) -> Cell:
    """That many callers for that long."""
    loop, taken = asyncio.get_running_loop(), list[float]()
    started, worked = time.perf_counter(), processor_s(pid)
    made = [
        await loop.create_connection(
            lambda place=place: Connection(
                requests[place % len(requests)], started + seconds, taken
            ),
            "127.0.0.1",
            port,
        )
        for place in range(callers)
    ]
    await asyncio.gather(*(protocol.gone for _, protocol in made))
    ordered = sorted(taken)
    return Cell(
        rate=len(taken) / (time.perf_counter() - started),
        cpu=(processor_s(pid) - worked) / len(taken) * 1e6,
        p50=ordered[len(ordered) // 2] * 1e3,
        p99=ordered[int(len(ordered) * 0.99)] * 1e3,
    )


def processor_s(pid: int) -> float:
    """Processor time that a process has used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=VARIANTS, help="beside the product")
    parser.add_argument(
        "--serve", nargs=3, metavar=("VARIANT", "FOLDER", "PORT"), help=argparse.SUPPRESS
    )
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve[0], Path(chosen.serve[1]), int(chosen.serve[2]))
        return
    with tempfile.TemporaryDirectory(prefix="mlplatform-bench-") as name:
        folder = Path(name)
        variants = [each for each in VARIANTS if each in {PRODUCT, *(chosen.only or VARIANTS)}]
        measure(folder, train(folder), chosen.seconds, chosen.rounds, variants)


def measure(
    folder: Path,
    rows: list[dict[str, float]],
    seconds: float,
    rounds: int,
    variants: Sequence[str],
) -> None:
    """These variants under all loads, each round in another order."""
    loads = {
        "1 row, 1 caller": (1, 1),
        "1 row, 64 callers": (1, 64),
        "100 rows, 8 callers": (100, 8),
    }
    cells: dict[tuple[str, str], list[Cell]] = {}
    for number in range(rounds):
        for variant in variants[:: 1 if number % 2 else -1]:
            port = free_port()
            process = subprocess.Popen(
                [sys.executable, __file__, "--serve", variant, str(folder), str(port)]
            )
            try:
                wait_for(port)
                for load, (size, callers) in loads.items():
                    requests = [request(rows[start : start + size]) for start in range(0, 400, 7)]
                    asyncio.run(press(port, process.pid, requests, callers, 0.3))
                    cells.setdefault((load, variant), []).append(
                        asyncio.run(press(port, process.pid, requests, callers, seconds))
                    )
            finally:
                process.terminate()
                process.wait()
        print(
            f"round {number + 1} of {rounds} done, load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    report(loads, cells, variants)


def report(
    loads: dict[str, tuple[int, int]],
    cells: dict[tuple[str, str], list[Cell]],
    variants: Sequence[str],
) -> None:
    """A table in Markdown."""
    print(
        "\n| load | variant | answers/s | p50 ms | p99 ms | CPU us | ratio answers/s | ratio CPU |"
        "\n|---|---|--:|--:|--:|--:|--:|--:|"
    )
    for load in loads:
        for variant in variants:
            found, product = cells[load, variant], cells[load, PRODUCT]
            rate, p50, p99, cpu = (
                statistics.median(getattr(cell, name) for cell in found)
                for name in ("rate", "p50", "p99", "cpu")
            )
            ratios = [
                statistics.median(
                    getattr(cell, name) / getattr(own, name)
                    for cell, own in zip(found, product, strict=True)
                )
                for name in ("rate", "cpu")
            ]
            print(
                f"| {load} | {variant} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {cpu:,.0f} "
                f"| {ratios[0]:.2f} | {ratios[1]:.2f} |"
            )


def request(rows: list[dict[str, float]]) -> bytes:
    """The bytes of one HTTP request."""
    body = json.dumps({"rows": rows}).encode()
    head = (
        "POST /v1/models/bench/predict HTTP/1.1",
        "host: x",
        f"authorization: Bearer {TOKEN}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "",
        "",
    )
    return "\r\n".join(head).encode() + body


def wait_for(port: int) -> None:
    """Until the server answers."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise TimeoutError("the server did not start")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
