"""Each file that a running stack leaves in its home, damaged: its reader names it, or does without.

A new file needs a line in `READERS`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path

import pytest
from whole import NAME, Platform

from mlplatform.cli.tail import print_logs
from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.errors import ManifestMismatch, PlatformError
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.local.daily import DAY_S, Daily
from mlplatform.local.processes.child import rotate, tail
from mlplatform.local.stack import LocalStack, Options
from mlplatform.local.tour.progress import Progress
from mlplatform.outbox import OutboxReader, OutboxWriter, damage
from mlplatform.queue import open_producer
from mlplatform.registry import manifest
from mlplatform.serving.cache import ModelCache
from mlplatform.settings import QueueSettings
from mlplatform.shipper.checkpoint_places import CheckpointFolder

Read = Callable[[Path, str], object]


def _start(home: Path, source: str) -> None:
    """What `up` does before its first process starts."""
    with LocalStack(Options(home=home, source=source, working_tree=True)) as stack:
        stack.supervisor.begin()
        right = Path(source) / "pipelines" / NAME / "model.py"
        kept = home.glob(f"cache/source/*/*/pipelines/{NAME}/model.py")

        assert {right.read_bytes()} == {path.read_bytes() for path in kept}


def _queue(home: Path, _: str) -> None:
    open_producer(QueueSettings(url=f"sqlite:///{home / 'queue.sqlite'}")).close()


def _outbox(home: Path, _: str) -> None:
    folder = home / "outbox"
    writer = OutboxWriter.open(folder, segment_bytes=1 << 20, capacity_bytes=1 << 24)
    try:
        writer.append([b"one more"])
        writer.send_again(1)
        writer.confirm()
        writer.status()
        reader = OutboxReader.open(folder)
        try:
            *_, last = reader.read(100_000, 1 << 24)

            assert b"one more" == last.payload
        finally:
            reader.close()
    finally:
        writer.close()
    damage.load(folder)


def _cache(home: Path, _: str) -> None:
    """As at a start without the data API: a version that is not whole is not served."""
    cache = ModelCache(home / "cache" / "serving")
    found = cache.remembered(NAME)
    if found is not None:
        with suppress(ManifestMismatch):  # it is dropped and downloaded again
            manifest.verify(cache.model_folder(found.version), found.version.manifest_sha256)


def _logs(home: Path, _: str) -> None:
    found = {path.stem: path for path in (home / "logs").glob("*.log")}
    for log in found.values():
        tail(log)
    with redirect_stdout(StringIO()):
        print_logs(found, lines=5, follow=False)
    for log in found.values():
        rotate(log)


def _daily(home: Path, _: str) -> None:
    """Only its time counts."""
    assert 0 <= Daily("retention", (), {}, home=home)._due_in() <= DAY_S


def _checkpoints(home: Path, _: str) -> None:
    """As the shipper adds to them, and `audit verify` reads them."""
    witnesses = Witnesses()
    witnesses.read_place(home / "checkpoints")
    for path in (home / "checkpoints").rglob("*.ndjson"):
        found = Checkpoint(outbox_id=path.stem, number=9, chain="00" * 32, at=datetime.now(UTC))
        with suppress(OSError):  # the shipper complains of it, and goes on
            CheckpointFolder(home / "checkpoints").write([found])


READERS: dict[str, Read] = {
    "state.json": _start,
    "lock": _start,
    "secrets/*.json": _start,
    "secrets/access.yaml": _start,
    "logs/processes.json": _start,
    "logs/*.log*": _logs,
    "cache/source/*": _start,
    "cache/serving/*": _cache,
    "queue.sqlite*": _queue,
    "outbox/*": _outbox,
    "checkpoints/*": _checkpoints,
    "retention.done": _daily,
    "tour.json": lambda home, _: Progress(home),
}
THEIRS = ("postgres/*", "mlflow/*", ".cache/*", "*/__pycache__/*")
"""Of PostgreSQL, MLflow (its models are proven before each load), libraries and Python."""


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\xff\x00\x80garbage\n" * 9),
    "gone": lambda path: path.unlink(),
    "a folder": _folder,
    "closed": lambda path: path.chmod(0),
}


@pytest.fixture(scope="module")
def whole(started: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the home, without the servers' data, as a stack that was killed leaves it."""
    home = started.stack.options.home
    place = tmp_path_factory.mktemp("whole") / "home"
    for name in _files(home):
        if not _theirs(name):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # it was written anew meanwhile
                shutil.copy2(home / name, place / name)
    # A start ends the processes that this file lists, and those here run.
    (place / "logs" / "processes.json").write_text("[]")
    Progress(place).set("a step")
    for log in (place / "logs").glob("*.log"):  # as after a second start
        shutil.copy2(log, log.with_name(log.name + ".1"))
    return place


def _files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def _reader(name: str) -> Read | None:
    return next((READERS[line] for line in READERS if fnmatch(name, line)), None)


def _theirs(name: str) -> bool:
    return any(fnmatch(name, line) for line in THEIRS)


def test_every_file_has_a_reader(started: Platform) -> None:
    """A file that is new in a home stands in the table above, with who reads it."""
    names = [name for name in _files(started.stack.options.home) if not _theirs(name)]

    assert [] == [name for name in names if _reader(name) is None]
    assert {"state.json", "lock", "queue.sqlite", "outbox/identity"} <= set(names)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_named_or_done_without(
    whole: Path, source: Path, tmp_path: Path, kind: str
) -> None:
    """One line with the file and the way out, or as if nothing were: never a foreign error."""
    if kind == "closed" and os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    wrong = []
    for name in _files(whole):
        if _theirs(name):
            continue
        home = tmp_path / "home"
        shutil.copytree(whole, home)
        DAMAGES[kind](home / name)
        read = _reader(name)
        assert read is not None
        try:
            read(home, str(source))
        except PlatformError as error:
            if str(home / name) not in str(error) or not error.fix or "\n" in str(error):
                wrong.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001  (that is the fault that is looked for)
            wrong.append(f"{name}: {error!r}")
        shutil.rmtree(home)

    assert [] == wrong
