"""How fast a history becomes feature rows on the standby, beside one plain COPY of the same file.

    python tests/benchmarks/history.py [--rows 1000000] [--single 50000] [--profile]

A CSV of ten columns (seven numbers, a whole number, a text, the target) goes through the data API's
import and etl's worker, each in a process of its own as on a cluster, on a primary with fsync and
its standby. `apart` lets one stage end before the next begins, which shows where time goes;
`together` is what a user waits for: import and etl at once, until the standby shows the last row.
Then the same rows under a new digest (backfill), and requests of one row each. COPY fills a table
of the ten columns without an index. --profile prints what Python spends its time on.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import multiprocessing
import operator
import os
import pstats
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import yaml
from dataset_read import _free_ports as free_ports
from dulwich import porcelain

from mlplatform.access import Caller, Role
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import new_request_id
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.imports import Imports, Upload
from mlplatform.database import pipelines
from mlplatform.database.pools import PrimaryPool
from mlplatform.etl.catalogue import Catalogue
from mlplatform.etl.worker import Worker
from mlplatform.features.digest import features_digest
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import binaries
from mlplatform.local.servers.postgres import LocalPostgres, new_passwords
from mlplatform.settings import EtlSettings, SourceSettings

NUMBERS = tuple(f"n{number}" for number in range(7))
CITIES = ("Bonn", "Cologne", "Dresden", "Emden", "Fulda", "Görlitz")
SECOND = b"""
def engineer(columns):
    return {**columns, "twice": columns["n0"] * 2}
"""


@dataclass(frozen=True)
class Stage:
    """Servers, the repository of the pipelines, and the file."""

    servers: LocalPostgres
    folder: Path
    csv: Path
    rows: int


@dataclass(frozen=True)
class Took:
    """Seconds of a stage; processor time and largest resident memory (MiB) of its process."""

    seconds: float
    processor_s: float
    peak_mib: float


def write_csv(file: Path, rows: int) -> None:
    """The history: ten columns, numbers of six digits."""
    draw = random.Random(7)
    with file.open("w", encoding="utf-8") as out:
        out.write(",".join((*NUMBERS, "whole", "city", "y")) + "\n")
        for _ in range(rows):
            numbers = [f"{draw.gauss(50, 20):.4f}" for _ in range(8)]
            whole, city = draw.randrange(100_000), draw.choice(CITIES)
            out.write(f"{','.join(numbers[:7])},{whole},{city},{numbers[7]}\n")


def apply(stage: Stage, name: str, source: bytes | None = None) -> str:
    """Record a pipeline as the data API does; returns its digest."""
    document = {
        "name": name,
        "description": "A history for a benchmark.",
        "task": "regression",
        "columns": [
            *({"name": number, "dtype": "float64", "min": -500, "max": 500} for number in NUMBERS),
            {"name": "whole", "dtype": "int64", "min": 0},
            {"name": "city", "dtype": "string", "values": list(CITIES)},
        ],
        "target": {"name": "y", "dtype": "float64"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
    folder = stage.folder / "repository" / "pipelines" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "model.py").write_text("def build(parameters): ...\n", encoding="utf-8")
    if source is not None:
        (folder / "features.py").write_bytes(source)
    repository = str(stage.folder / "repository")
    porcelain.add(repository, [str(file) for file in folder.iterdir()])
    who = b"A <a@example.org>"
    commit = porcelain.commit(repository, message=b"it", author=who, committer=who).decode()
    definition = PipelineDefinition.parse(document)
    digest = features_digest(definition, source)
    with psycopg.connect(stage.servers.dsn("dataapi", "warehouse").get_secret_value()) as session:
        pipelines.apply(session, definition, commit=commit, digest=digest, caller="bench")
    return digest


@contextmanager
def timed(profile: bool) -> Iterator[list[Took]]:
    """What the block took, in the list that it gets."""
    found: list[Took] = []
    profiler = cProfile.Profile(time.process_time)
    if profile:
        profiler.enable()
    started, processor = time.perf_counter(), time.process_time()
    yield found
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(28)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found.append(Took(seconds, processor, peak))


def run_import(stage: Stage, name: str, profile: bool) -> Took:
    """The data API's import of the file."""
    settings = stage.servers.settings("dataapi")
    raw = PrimaryPool(settings.raw_dsn, settings, name="dataapi")
    warehouse = PrimaryPool(settings.warehouse_dsn, settings, name="dataapi")
    caller = Caller(name="bench", roles=(Role.ADMIN,), sha256="0" * 64)
    digest = hashlib.sha256(name.encode()).hexdigest()
    with stage.csv.open("rb") as file, timed(profile) as took:
        handler = Imports(raw, warehouse, AuditLog(warehouse))
        made = handler.run(caller, f"{name}.requests", Upload(file, "csv", digest), key=name)
    assert (stage.rows, 0) == (made.accepted, made.quarantined)
    return took[0]


def run_etl(stage: Stage, name: str, digest: str, profile: bool) -> Took:
    """The worker of etl until the digest has all rows of the pipeline."""
    settings = stage.servers.settings("etl")
    raw = PrimaryPool(settings.raw_dsn, settings, name="etl")
    warehouse = PrimaryPool(settings.warehouse_dsn, settings, name="etl")
    source = SourceSettings(
        url=str(stage.folder / "repository"), cache=stage.folder / "cache" / digest
    )
    catalogue = Catalogue(raw, warehouse, source, retry_s=1)
    catalogue.refresh()  # a running etl has cloned the repository and tried the features
    worker = Worker(raw, warehouse, catalogue, EtlSettings())
    query = "SELECT sum(featured) FROM warehouse.progress WHERE pipeline = %s AND digest = %s"
    with timed(profile) as took:
        while True:
            if worker.step() == 0:
                with warehouse.transaction() as session:
                    row = session.execute(query, (name, digest)).fetchone()
                if row and row[0] == stage.rows:
                    break
                time.sleep(0.02)
    return took[0]


def standby_caught_up(servers: LocalPostgres) -> None:
    """Wait until the standby shows all that was committed."""
    with (
        psycopg.connect(servers.dsn("postgres", "postgres").get_secret_value()) as primary,
        psycopg.connect(
            servers.dsn("postgres", "postgres", standby=True).get_secret_value(), autocommit=True
        ) as standby,
    ):
        end = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        while not standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", end).fetchone()[
            0
        ]:
            time.sleep(0.002)


def processor_s(servers: LocalPostgres) -> tuple[float, float]:
    """Processor time so far of all processes of the primary, and of the standby."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = []
    for folder in (servers.primary, servers.standby):
        pid = (folder / "postmaster.pid").read_text(encoding="ascii").split()[0]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        # Those that ended count as their parent's: fields 15 and 16 behind the name.
        times = [_times(pid), *(_times(child)[:2] for child in children)]
        found.append(sum(map(sum, times)) / ticks)
    return found[0], found[1]


def _times(pid: str) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:  # it has just ended, and counts as its parent's
        return []
    return list(map(int, text.rpartition(")")[2].split()[11:15]))


def copy(stage: Stage) -> tuple[float, float]:
    """Seconds of one COPY of the file, until the commit and until the standby shows it."""
    columns = ", ".join(f"{name} double precision" for name in (*NUMBERS, "y"))
    with psycopg.connect(stage.servers.dsn("postgres", "warehouse").get_secret_value()) as session:
        session.execute(
            f"DROP TABLE IF EXISTS plain; CREATE TABLE plain ({columns}, whole bigint, city text)"
        )
        session.commit()
        names = ", ".join((*NUMBERS, "whole", "city", "y"))
        started = time.perf_counter()
        with (
            stage.csv.open("rb") as file,
            session.cursor().copy(f"COPY plain ({names}) FROM STDIN (FORMAT csv, HEADER)") as into,
        ):
            while data := file.read(1 << 18):
                into.write(data)
        session.commit()
        committed = time.perf_counter() - started
        standby_caught_up(stage.servers)
        return committed, time.perf_counter() - started


def store_singles(stage: Stage, name: str, rows: int) -> None:
    """Requests of one row each, as the consumer stores them."""
    draw = random.Random(8)
    dsn = stage.servers.dsn("owner", "raw").get_secret_value()
    columns = (
        "request_id, pipeline, source, topic, partition, log_offset, caller, received_at, rows, "
        "inputs"
    )
    now = datetime.now(UTC)
    with psycopg.connect(dsn) as session:
        session.execute("INSERT INTO raw.offsets VALUES (%s, 0, %s)", (name, rows))
        with session.cursor().copy(f"COPY raw.requests ({columns}) FROM STDIN") as into:
            for number in range(rows):
                inputs: dict[str, list[Any]] = {n: [draw.gauss(50, 20)] for n in NUMBERS}
                inputs |= {"whole": [draw.randrange(9)], "city": [draw.choice(CITIES)]}
                text = msgspec.json.encode(inputs).decode()
                into.write_row(
                    (new_request_id(), name, "serving", name, 0, number, "c", now, 1, text)
                )


def sizes(servers: LocalPostgres, rows: int) -> Iterator[tuple[str, float]]:
    """Name and bytes a row of each table and index with data."""
    for database, schemas in (("raw", ["raw"]), ("warehouse", ["features", "warehouse"])):
        with psycopg.connect(servers.dsn("postgres", database).get_secret_value()) as session:
            found = session.execute(
                "SELECT relname, CASE relkind WHEN 'r' THEN pg_table_size(c.oid) "
                "ELSE pg_relation_size(c.oid) END FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = relnamespace "
                "WHERE nspname = ANY(%s) AND relkind IN ('r', 'i')",
                (schemas,),
            ).fetchall()
        yield from ((name, size / rows) for name, size in sorted(found) if size / rows >= 1)


@contextmanager
def stage_of(rows: int) -> Iterator[Stage]:
    """A primary with fsync and its standby, and the file; all of it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-bench-"))
    folder.chmod(0o711)
    ports = free_ports()
    servers = LocalPostgres(
        folder / "postgres",
        binaries.find(None, copies=folder / "programs"),
        passwords=new_passwords(),
        primary_port=ports[0],
        standby_port=ports[1],
    )
    specs = [servers.primary_spec(), servers.standby_spec()]
    try:
        with Supervisor(specs, logs=folder / "logs") as supervisor:
            servers.prepare_primary()
            supervisor.start("postgres-primary")
            servers.provision()
            servers.prepare_standby()
            supervisor.start("postgres-standby")
            (folder / "repository").mkdir()
            porcelain.init(str(folder / "repository"))
            write_csv(folder / "history.csv", rows)
            yield Stage(servers, folder, folder / "history.csv", rows)
    finally:
        shutil.rmtree(folder)


def child(work: Callable[..., Took], stage: Stage, *arguments: object) -> tuple[float, str]:
    """Seconds of the work in a new process, and what it cost there and on both servers."""
    before = processor_s(stage.servers)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        took = pool.submit(work, stage, *arguments).result()
    standby_caught_up(stage.servers)
    primary, standby = map(operator.sub, processor_s(stage.servers), before)
    each = 1e6 / stage.rows
    return took.seconds, (
        f"{took.peak_mib:5.0f} MiB; us a row: {took.processor_s * each:5.1f} process, "
        f"{primary * each:5.1f} primary, {standby * each:5.1f} standby"
    )


def together(stage: Stage, name: str) -> float:
    """Seconds from the start of an import until the standby shows its last feature row."""
    digest = apply(stage, name)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(abs, [1] * 4, chunksize=1))  # both have started
        started = time.perf_counter()
        etl = pool.submit(run_etl, stage, name, digest, False)
        pool.submit(run_import, stage, name, False).result()
        etl.result()
    standby_caught_up(stage.servers)
    return time.perf_counter() - started


def line(name: str, rows: int, seconds: float, more: str, base: float) -> None:
    """One line of the report."""
    print(f"{name:26} {rows / seconds:>10,.0f} rows/s {base / seconds:>6.2f} of COPY {more}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--single", type=int, default=50_000, help="requests of one row")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with stage_of(options.rows) as stage:
        rows = options.rows
        committed, shown = copy(stage)
        line("COPY, committed", rows, committed, "", committed)
        line("COPY, on the standby", rows, shown, "", committed)
        digest = apply(stage, "apart")
        line("import", rows, *child(run_import, stage, "apart", options.profile), committed)
        line("etl", rows, *child(run_etl, stage, "apart", digest, options.profile), committed)
        for name, size in sizes(stage.servers, rows):
            print(f"    {name:34} {size:8.1f} bytes a row")
        print(f"    {'the CSV':34} {stage.csv.stat().st_size / rows:8.1f} bytes a row")
        line("all stages together", rows, together(stage, "together"), "", committed)
        second = apply(stage, "apart", SECOND)
        line("backfill", rows, *child(run_etl, stage, "apart", second, options.profile), committed)
        single = apply(stage, "single")
        store_singles(stage, "single", options.single)
        few = replace(stage, rows=options.single)
        found = child(run_etl, few, "single", single, options.profile)
        line("etl, requests of one row", few.rows, *found, committed * few.rows / rows)


if __name__ == "__main__":
    main()
