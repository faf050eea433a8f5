"""Models and servers that the clients of other servers are tried on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pandas as pd
import pytest
from client_environment import client_python
from ports import free_port
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from standalone_child import environment, served

from mlplatform.access import digest

CLIENTS = Path(__file__).parent / "clients"
TOKEN = "token-of-a-client"
CLIENT_S = 120.0
FITTED, ASKED = 200, 5
KINDS = {"f": "FP64", "i": "INT64", "b": "BOOL", "O": "BYTES", "U": "BYTES"}


@dataclass(frozen=True)
class Scene:
    """A served model, rows to ask it for, and what scikit-learn says to them."""

    http: str
    grpc: str
    token: str
    model: str
    version: str
    rows: list[dict[str, Any]]
    datatypes: dict[str, str]
    prediction: list[Any]
    probabilities: list[list[float]] | None
    outbox: str = ""

    @property
    def outputs(self) -> dict[str, Any]:
        """What every client must get, by output."""
        found = {"prediction": self.prediction, "probabilities": self.probabilities}
        return {
            name: pytest.approx(np.array(values), abs=1e-4)
            for name, values in found.items()
            if values is not None
        }

    def client(self, **more: Any) -> httpx.Client:
        """Plain HTTP with the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"http://{self.http}", headers=headers, **more)


def numbers() -> tuple[pd.DataFrame, Any, Any]:
    """Five floats, and a number to predict."""
    values = np.random.default_rng(1).normal(size=(FITTED, 5)).round(3)
    table = pd.DataFrame(values, columns=[f"f{place}" for place in range(5)])
    model = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    passed = make_column_transformer(("passthrough", list(table)))
    return table, table["f0"] * 10 + table["f1"] * table["f2"], make_pipeline(passed, model)


def mixed() -> tuple[pd.DataFrame, Any, Any]:
    """Columns of every type, and a class to predict."""
    draw = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "age": draw.integers(18, 90, FITTED),
            "bmi": draw.normal(27, 4, FITTED).round(1),
            "city": draw.choice(["Bern", "Zürich", "Genève"], FITTED).astype(object),
            "smoker": draw.random(FITTED) < 0.3,
        }
    )
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"
    )
    model = make_pipeline(columns, RandomForestClassifier(8, random_state=0))
    return table, ((table["bmi"] > 27) & (table["age"] > 40)).astype(int), model


Make = Callable[[], tuple[pd.DataFrame, Any, Any]]
Packaged = Callable[[Make], tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """A model folder, and what of a scene is known without a server. Each is made once."""

    @cache
    def make(model: Make) -> tuple[Path, dict[str, Any]]:
        home = tmp_path_factory.mktemp(model.__name__)
        return home / "model", _package(home, model)

    return make


def _package(home: Path, make: Make) -> dict[str, Any]:
    """Write the folder with the command line."""
    table, target, model = make()
    model.fit(table, target)
    joblib.dump(model, home / "model.joblib")
    table.assign(target=target).to_csv(home / "rows.csv", index=False)
    argv = [sys.executable, "-m", "mlplatform", "package", home / "model.joblib", home / "model"]
    argv += ["--example", home / "rows.csv", "--name", make.__name__]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env=environment(), timeout=CLIENT_S
    )
    assert 0 == done.returncode, done.stderr
    asked = table[:ASKED]
    classes = hasattr(model, "predict_proba")
    return {
        "model": make.__name__,
        "rows": asked.to_dict("records"),
        "datatypes": {name: KINDS[table[name].dtype.kind] for name in table},
        "prediction": model.predict(asked).tolist(),
        "probabilities": model.predict_proba(asked).tolist() if classes else None,
    }


@pytest.fixture(scope="session", params=[numbers, mixed], ids=lambda make: make.__name__)
def scene(request: pytest.FixtureRequest, packaged: Packaged) -> Iterator[Scene]:
    """Each of the models, served with both ports to callers who have the token."""
    folder, known = packaged(request.param)
    home = folder.parent
    caller = {"name": "client", "roles": ["predict"], "sha256": digest(TOKEN)}
    tokens = home / "tokens.yaml"
    tokens.write_text(json.dumps({"tokens": [caller]}))
    port = free_port()
    kept = ("--tokens", tokens, "--outbox", home / "outbox")
    with served(folder, *kept, SERVING__GRPC_PORT=str(port)) as url:
        yield _scene(url, f"127.0.0.1:{port}", known, outbox=str(home / "outbox"))


@pytest.fixture(scope="session")
def open_scene(packaged: Packaged) -> Iterator[Scene]:
    """A model that answers everybody, for a client that sends no token."""
    folder, known = packaged(mixed)
    with served(folder, "--no-outbox") as url:
        yield _scene(url, "", known)


def _scene(url: str, grpc: str, known: dict[str, Any], **more: str) -> Scene:
    headers = {"authorization": f"Bearer {TOKEN}"}
    described = httpx.get(f"{url}/v2/models/{known['model']}", headers=headers).json()
    return Scene(
        http=url.removeprefix("http://"),
        grpc=grpc,
        token=TOKEN,
        version=described["versions"][0],
        **known,
        **more,
    )


@pytest.fixture(scope="session")
def got() -> Callable[[str, str, Scene], Any]:
    """What a client got from a server; it runs once for each, in the environment of that name."""
    found: dict[tuple[str, str], Any] = {}

    def run(environment_name: str, script: str, scene: Scene) -> Any:
        key = (script, scene.http)
        if key not in found:
            found[key] = _printed(client_python(environment_name), CLIENTS / script, scene)
        return found[key]

    return run


def _printed(python: Path, script: Path, scene: Scene) -> Any:
    told = {name: getattr(scene, name) for name in Scene.__dataclass_fields__}
    argv = [str(python), "-W", "ignore", str(script), json.dumps(told)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=CLIENT_S)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
