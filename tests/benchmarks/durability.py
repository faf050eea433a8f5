"""What each `serving.durability` costs, as ratios to `sync` within one run.

    python tests/benchmarks/durability.py [--seconds 3] [--rounds 3] [--kafka] [--folder DIR]

The model, the requests and the callers are those of serving.py beside this file; the server is the
product's, and a shipper runs beside it in every mode. The queue is SQLite; with `--kafka`, each
mode is measured with one real broker on this machine too (`make kafka-jars` first), in memory like
all of Kafka's own guarantees. Rounds go through all modes in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import TOKEN, Cell, free_port, load_model, press, request, train, wait_for

from mlplatform.access import AccessList, Caller, Role, digest
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers.kafka import LocalKafka, find_java
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.open_outbox import open_acknowledgements, open_outbox
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.server import Server
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import load, require

MODES = ("sync", "interval", "replicated")
LOADS = {"1 caller": 1, "64 callers": 64}
SHIPPER = """
from mlplatform.settings import load
from mlplatform.shipper.main import run
run(load())
"""
JARS = Path(__file__).parents[2] / ".mlplatform" / "kafka" / "lib"


def serve(folder: Path) -> None:
    """Answer until ended, as the environment says."""
    settings = load()
    outbox, limits = settings.outbox, settings.serving
    kept = require(outbox.folder, "outbox", "folder")
    recorder = RequestRecorder(
        open_outbox(settings, kept),
        max_record_bytes=settings.queue.max_record_bytes,
        capacity_bytes=outbox.capacity_bytes,
        acknowledgements=open_acknowledgements(settings, kept),
    )
    slot = Slot("bench", limits=limits, deliver=recorder.submit, commit_s=recorder.commit_s)
    slot.swap(load_model(folder))
    access = AccessList([Caller(name="bench", roles=(Role.PREDICT,), sha256=digest(TOKEN))])
    handler = Handler(slots=Slots([slot]), recorder=recorder, access=access, limits=limits)
    Server(create_app(Collaborators(handler=handler)), handler, limits).run()


@contextmanager
def running(mode: str, queue: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Serving and its shipper in a folder of their own; gives port and process id of serving."""
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix=f"{mode}-", dir=folder))
    values = {
        "SERVING__DURABILITY": mode,
        "SERVING__PORT": str(port),
        "OUTBOX__FOLDER": str(home / "outbox"),
        "OUTBOX__CAPACITY_BYTES": str(1 << 33),
        "QUEUE__URL": queue or f"sqlite:///{home / 'queue.sqlite'}",
        "QUEUE__TOPIC": home.name,
    }
    environment = {"PATH": os.environ["PATH"]}
    environment |= {f"MLPLATFORM_{name}": value for name, value in values.items()}
    programs = ([__file__, "--serve", str(folder)], ["-c", SHIPPER])
    processes = [
        # Their logs go to stdout, where the table belongs; what breaks is on stderr.
        subprocess.Popen([sys.executable, *each], env=environment, stdout=subprocess.DEVNULL)
        for each in programs
    ]
    try:
        wait_for(port)
        yield port, processes[0].pid
    finally:
        for process in processes:
            process.terminate()
            process.wait()


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The address of a Kafka broker."""
    kafka = LocalKafka(folder / "kafka", find_java(), jars=JARS)
    kafka.prepare()
    with Supervisor([kafka.spec()], logs=folder / "logs") as supervisor:
        supervisor.start()
        yield kafka.url


def measure(folder: Path, queues: dict[str, str], seconds: float, rounds: int) -> None:
    """All modes over all queues under all loads; prints a table in Markdown."""
    rows = train(folder)
    requests = [request(rows[first : first + 1]) for first in range(0, 400, 7)]
    cells: dict[tuple[str, str, str], list[Cell]] = {}
    for number in range(rounds):
        for queue, url in queues.items():
            for mode in MODES:
                with running(mode, url, folder) as (port, pid):
                    for load_name, callers in LOADS.items():
                        asyncio.run(press(port, pid, requests, callers, 0.5))
                        cell = asyncio.run(press(port, pid, requests, callers, seconds))
                        cells.setdefault((load_name, queue, mode), []).append(cell)
        busy = os.getloadavg()[0]
        print(f"round {number + 1} of {rounds} done, load average {busy:.1f}", flush=True)
    print(
        "\n| load, one row each | queue | durability | answers/s | p50 ms | p99 ms "
        "| answers/s beside sync | p99 beside sync |\n|---|---|---|--:|--:|--:|--:|--:|"
    )
    for (load_name, queue, mode), found in cells.items():
        line(load_name, queue, mode, found, cells[load_name, queue, "sync"])


def line(load_name: str, queue: str, mode: str, found: list[Cell], sync: list[Cell]) -> None:
    """One line of the table: medians over the rounds, of the figures and of their ratios."""
    rate, p50, p99 = (
        statistics.median(getattr(cell, name) for cell in found) for name in ("rate", "p50", "p99")
    )
    rates, tails = (
        statistics.median(
            getattr(cell, name) / getattr(own, name) for cell, own in zip(found, sync, strict=True)
        )
        for name in ("rate", "p99")
    )
    print(
        f"| {load_name} | {queue} | {mode} | {rate:,.0f} | {p50:.2f} | {p99:.2f} "
        f"| {rates:.2f} | {tails:.2f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kafka", action="store_true", help="with a Kafka broker as well")
    parser.add_argument("--folder", type=Path, help="where all is written: the disk to measure")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    with tempfile.TemporaryDirectory(prefix="mlplatform-bench-", dir=chosen.folder) as name:
        if not chosen.kafka:
            measure(Path(name), {"SQLite": ""}, chosen.seconds, chosen.rounds)
            return
        with broker(Path(name)) as url:
            queues = {"SQLite": "", "Kafka": url}
            measure(Path(name), queues, chosen.seconds, chosen.rounds)


if __name__ == "__main__":
    main()
