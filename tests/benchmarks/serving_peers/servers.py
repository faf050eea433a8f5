"""Every server that is measured: how it is started and in which dialects it is asked.

Peers keep no log of requests; each is asked in the dialect that costs it least.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlplatform.access import digest
from serving_peers import bodies
from serving_peers.bodies import Dialect, Sample
from serving_peers.sockets import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
VENVS = Path(os.environ.get("BENCH_VENVS", ROOT / ".venv-bench"))
LAUNCH = HERE / "launch"
# A run leaves gigabytes, which nobody ships meanwhile.
_ROOM = {"MLPLATFORM_OUTBOX__CAPACITY_BYTES": str(1 << 34)}


@dataclass(frozen=True)
class Start:
    """One start of a server: the model's folder, a port, and an empty folder of its own."""

    sample: Sample
    model: Path
    port: int
    scratch: Path

    @property
    def outbox(self) -> Path:
        """Where ours stores requests."""
        return self.scratch / "outbox"


@dataclass(frozen=True)
class Command:
    """What to run."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """A server. The first dialect is the one that it is tried with.

    `venv` names the environment of a peer; ours and the references run in the repository's own.
    """

    name: str
    kind: Literal["ours", "unlogged", "peer", "tuned", "reference"]
    command: Callable[[Start], Command]
    dialects: Sequence[Dialect]
    venv: str | None = None
    predicts: bool = True


def _ours(outbox: bool) -> Callable[[Start], Command]:
    """The product's own command, with validation, bearer token, metrics and the durable outbox."""

    def command(start: Start) -> Command:
        caller = {"name": "bench", "roles": ["predict"], "sha256": digest(bodies.TOKEN)}
        tokens = start.scratch / "tokens.yaml"
        tokens.write_text(json.dumps({"tokens": [caller]}))
        kept = ["--outbox", str(start.outbox)] if outbox else ["--no-outbox"]
        folder = str(start.model / "ours")
        options = ["--port", str(start.port), "--tokens", str(tokens), *kept]
        program = str(Path(sys.executable).with_name("mlplatform"))
        return Command([program, "serve", folder, *options], _ROOM)

    return command


def _reference(kind: str) -> Callable[[Start], Command]:
    def command(start: Start) -> Command:
        script = str(LAUNCH / "reference.py")
        places = [str(start.model), str(start.port), str(start.scratch)]
        return Command([sys.executable, script, kind, *places])

    return command


def _bin(venv: str, name: str) -> str:
    return str(VENVS / venv / "bin" / name)


def _mlserver(
    venv: str, settings: Mapping[str, object], environment: Mapping[str, str]
) -> Callable[[Start], Command]:
    def command(start: Start) -> Command:
        ports = {"http_port": start.port, "grpc_port": free_port(), "metrics_port": free_port()}
        document = {"host": "127.0.0.1", **ports, **settings}
        (start.scratch / "settings.json").write_text(json.dumps(document))
        model = {
            "name": start.sample.model,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(start.model / "model.joblib")},
        }
        (start.scratch / "model-settings.json").write_text(json.dumps(model))
        return Command([_bin(venv, "mlserver"), "start", str(start.scratch)], environment)

    return command


def _bentoml(start: Start) -> Command:
    service = ["bentoml_service:Sklearn", "--working-dir", str(LAUNCH)]
    address = ["--host", "127.0.0.1", "--port", str(start.port)]
    environment = {
        "BENCHMARK_MODEL": str(start.model),
        "BENTOML_HOME": str(start.scratch),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return Command([_bin("bentoml", "bentoml"), "serve", *service, *address], environment)


def _litserve(start: Start) -> Command:
    script = str(LAUNCH / "litserve_server.py")
    return Command([_bin("litserve", "python"), script, str(start.model), str(start.port)])


def _mlflow(start: Start) -> Command:
    address = ["--host", "127.0.0.1", "--port", str(start.port)]
    model = ["--model-uri", str(start.model / "mlflow"), "--env-manager", "local"]
    if not (start.model / "mlflow").exists():
        writer = [_bin("mlflow", "python"), str(LAUNCH / "mlflow_model.py"), str(start.model)]
        subprocess.run(writer, check=True, stderr=subprocess.DEVNULL)  # it warns of its own format
    path = f"{_bin('mlflow', '')}:{os.environ['PATH']}"  # it starts `uvicorn` by name
    environment = {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return Command([_bin("mlflow", "mlflow"), "models", "serve", *model, *address], environment)


def _kserve(start: Start) -> Command:
    script, name = str(LAUNCH / "kserve_server.py"), start.sample.model
    return Command([_bin("kserve", "python"), script, name, str(start.model), str(start.port)])


_V2 = (bodies.V2_TYPED,)
_TUNED = {"debug": False, "parallel_workers": 0, "metrics_endpoint": None}
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # several spin beside the driver, which needs a processor
_OURS = (bodies.ROWS, bodies.V2, bodies.V2_COLUMNS, bodies.COLUMNS, bodies.V2_BINARY)

SERVERS = (
    Server("mlplatform", "ours", _ours(outbox=True), _OURS),
    Server("mlplatform, log off", "unlogged", _ours(outbox=False), _OURS[:2]),
    Server("MLServer", "peer", _mlserver("mlserver-stock", {}, {}), _V2, "mlserver-stock"),
    Server("MLServer, tuned", "tuned", _mlserver("mlserver", _TUNED, _ONE_THREAD), _V2, "mlserver"),
    Server("BentoML", "peer", _bentoml, (bodies.PLAIN,), "bentoml"),
    Server("LitServe", "peer", _litserve, (bodies.PLAIN,), "litserve"),
    Server("MLflow", "peer", _mlflow, (bodies.INVOCATIONS,), "mlflow"),
    Server("KServe", "peer", _kserve, (bodies.V1,), "kserve"),
    Server("bare ASGI with ONNX", "reference", _reference("onnx"), (bodies.V2,)),
    *(
        Server(name, "reference", _reference(kind), (bodies.V2_CONSTANT,), predicts=False)
        for name, kind in (
            ("bare ASGI, constant", "constant"),
            ("bare ASGI, constant and synced", "synced"),
        )
    ),
)
