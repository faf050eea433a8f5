"""What a pipeline's own code can reach on a machine where the platform runs as root."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from load import until
from pydantic import SecretStr

from mlplatform.client import pipelines
from mlplatform.client.dataapi import DataApi
from mlplatform.local.stack import LocalStack, Options
from mlplatform.local.tour import history, traffic
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
from mlplatform.unprivileged import command

ROOT = Path(__file__).parents[3]
NAME = "breast-cancer"
SECRETS = (
    *("secrets", "secrets/tokens.json", "secrets/passwords.json", "secrets/trainer.json"),
    *("secrets/access.yaml", "state.json", "queue.sqlite", "logs/processes.json", "logs"),
    *("outbox", "backups", "kafka", "mlflow", "cache/serving", "postgres/primary"),
)

CURIOUS = """
import json, os, pathlib, signal, urllib.request

def _tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"

def _read(path):
    return os.listdir(path) if os.path.isdir(path) else pathlib.Path(path).read_bytes()

def _look():
    home, above = pathlib.Path({home!r}), {supervisor}
    found = {{name: _tried(lambda: _read(home / name)) for name in {names!r}}}
    found["a place in the home"] = _tried(lambda: (home / "mine").write_text(""))
    found["the others' checkouts"] = _tried(lambda: (home / "cache/source/mine").write_text(""))
    found["a signal"] = _tried(lambda: os.kill(above, 0))
    others = (int(each) for each in os.listdir("/proc") if each.isdigit())
    for pid in {{os.getppid(), above, *others}}:
        try:
            foreign = os.stat(f"/proc/{{pid}}").st_uid != os.getuid()
        except OSError:
            continue
        if foreign:
            found["environ"] = _tried(lambda: _read(f"/proc/{{pid}}/environ"))
            if found["environ"] == "done":
                break
    return found

print("LOOKED", json.dumps(_look()), flush=True)
"""
ENGINEER = """
def engineer(columns):
    return columns
"""

THROUGH_MLFLOW = """
def _lent():
    url, folder = os.environ["MLPLATFORM_REGISTRY__URL"], pathlib.Path.cwd() / "files"
    os.chmod(pathlib.Path.cwd(), 0o755)
    def ask(path, body):
        data = json.dumps(body).encode()
        head = {{"Content-Type": "application/json"}}
        wanted = urllib.request.Request(f"{{url}}/api/2.0/mlflow/{{path}}", data, head)
        return json.load(urllib.request.urlopen(wanted))
    place = ask("experiments/create", {{"name": "mine", "artifact_location": str(folder)}})
    info = ask("runs/create", {{"experiment_id": place["experiment_id"]}})["run"]["info"]
    files = pathlib.Path(info["artifact_uri"])
    files.parent.mkdir(parents=True)
    files.symlink_to({home!r} + "/secrets")
    query = f"run_id={{info['run_id']}}&path=tokens.json"
    return _tried(lambda: urllib.request.urlopen(f"{{url}}/get-artifact?{{query}}").read())

print("LENT", _lent(), flush=True)
print("FOLDER", pathlib.Path.cwd(), flush=True)
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or bool(command.hindrance()),
    reason=f"needs root that may start processes as other users: {command.hindrance()}",
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home in a folder that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="mlplatform-curious-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[LocalStack]:
    """A platform whose pipeline's code looks around, trained once by way of the data API."""
    source = home.parent / "source"
    folder = source / "pipelines" / NAME
    shutil.copytree(ROOT / "pipelines" / NAME, folder)
    words = {"home": str(home), "supervisor": os.getpid(), "names": SECRETS}
    texts = {"model.py": CURIOUS + THROUGH_MLFLOW, "features.py": CURIOUS + ENGINEER}
    for name, more in texts.items():
        with (folder / name).open("a") as file:
            file.write(more.format(**words))
    options = Options(home=home, source=str(source), working_tree=True)
    with LocalStack(options) as stack:
        stack.start()
        stack.await_registry()
        api = DataApi(stack.state.urls["dataapi"], SecretStr(stack.secrets.tokens["admin"]))
        with api:
            code = checkout(SourceSettings(url=str(source), working_tree=True))
            pipelines.apply(api, code, NAME)
            traffic.import_rows(api, NAME, list(history.history(NAME)), key="history")
            api.start_run(NAME, reason="a look around")
            until(lambda: api.runs(NAME)[0].final, "the training ends")
            assert "succeeded" == api.runs(NAME)[0].state, _log(home, "trainer-*.log")
        yield stack


def test_a_training_reaches_no_secret(stack: LocalStack, home: Path) -> None:
    """model.py can't open the home's secrets, nor any process, and its training goes through."""
    said = _log(home, "trainer-*.log")

    assert stack.secrets.tokens["admin"] in (home / "secrets" / "tokens.json").read_text()
    assert "runs as root" not in said
    assert {"PermissionError"} == set(_looked(said).values())
    assert {*SECRETS, "environ", "a signal"} <= _looked(said).keys()


def test_mlflow_lends_no_file_of_ours(stack: LocalStack, home: Path) -> None:
    """A run whose files are a link to the secrets gets none of them from MLflow's server."""
    assert "ready" == stack.supervisor.status()["mlflow"].state
    assert "LENT HTTPError" in _log(home, "trainer-*.log")


def test_engineering_reaches_no_secret(stack: LocalStack, home: Path) -> None:
    """features.py can't either, in the child in which etl runs it."""
    assert "ready" == stack.supervisor.status()["etl"].state
    assert {"PermissionError"} == set(_looked(_log(home, "etl.log")).values())


def test_a_training_leaves_nothing(stack: LocalStack, home: Path) -> None:
    """Its folder for files goes with it, with what its code put there, though nobody looks."""
    (folder,) = re.findall("FOLDER (.+)", _log(home, "trainer-*.log"))

    assert "" == stack.state.warning
    until(lambda: not Path(folder).exists(), "its folder is gone")


def _log(home: Path, pattern: str) -> str:
    return "".join(path.read_text() for path in (home / "logs").glob(pattern))


def _looked(log: str) -> dict[str, Any]:
    lines = [line for line in log.splitlines() if line.startswith("LOOKED")]
    assert lines, log[-3000:]
    found: dict[str, Any] = json.loads(lines[0].removeprefix("LOOKED"))
    return found
