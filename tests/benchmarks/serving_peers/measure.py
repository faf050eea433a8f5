"""One server from its start to its end: cold start, comparison, every load, what it stored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving_peers.bodies import Sample
from serving_peers.comparison import Unsupported, exchanges
from serving_peers.driver import Driver, Exchange, Load
from serving_peers.process import ProcessTree
from serving_peers.results import Cell, Measured, Results, Started
from serving_peers.servers import Server, Start
from serving_peers.sockets import Caller, free_port
from serving_peers.stored import astray, stored_ids

START_S = 120.0
WARM_S = 0.3
"""Under each load before it is measured: connections are made, and adaptive parts adapt."""
_PAUSE_S = 0.003
_REQUESTS = {1: 32, 100: 8}
"""Different requests per size."""


class Unfit(Exception):
    """A server that does not start, or not with a right answer."""


@dataclass(frozen=True)
class Visit:
    """What is measured of one server in one round."""

    server: Server
    sample: Sample
    model: Path
    cells: Sequence[Cell]
    seconds: float
    round: int


@dataclass(frozen=True)
class _Traffic:
    """What the driver sends."""

    cell: Cell
    dialect: str
    exchanges: Sequence[Exchange]


@dataclass
class _Running:
    """A started server."""

    tree: ProcessTree
    start: Start
    cold_start_s: float
    ids: Path
    idle_mib: float = 0.0
    refused: dict[str, str] = field(default_factory=dict)


def measure(visit: Visit, driver: Driver, scratch: Path, results: Results) -> None:
    """Add what was found to `results`. Raises Unfit, WrongAnswer."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    start = Start(visit.sample, visit.model, free_port(), scratch)
    (ids := scratch / "ids").touch()
    tree, cold_start_s = started(visit.server, start, ids)
    running = _Running(tree, start, cold_start_s, ids, tree.memory_mib())
    try:
        for traffic in _all_traffic(visit, running):
            results.loads.append(_press(visit, running, driver, traffic))
        loaded_mib = tree.memory_mib()
    finally:
        tree.end()
    results.starts.append(_summary(visit, running, loaded_mib))
    shutil.rmtree(scratch)


def started(server: Server, start: Start, ids: Path) -> tuple[ProcessTree, float]:
    """The running server, and the seconds from its start to its first prediction."""
    command = server.command(start)
    began = time.perf_counter()
    tree = ProcessTree(command.arguments, command.environment, start.scratch)
    request = server.dialects[0].request(start.sample.part(0, 1))
    try:
        _await(tree, start, request, ids)
    except BaseException:
        tree.end()
        raise
    return tree, time.perf_counter() - began


def _await(tree: ProcessTree, start: Start, request: bytes, ids: Path) -> None:
    """Until the first prediction. Raises Unfit."""
    end = time.perf_counter() + START_S
    while wrong := _first_answer(start.port, request, ids):
        if tree.ended() or time.perf_counter() > end:
            raise Unfit(f"does not start: {wrong}; {tree.log.read_text()[-2000:]}")
        time.sleep(_PAUSE_S)


def _first_answer(port: int, request: bytes, ids: Path) -> str:
    """Empty when there is one with code 200, else what there is instead."""
    try:
        caller = Caller(port, ids)
    except OSError as error:
        return str(error)
    try:
        code, _, body = caller.post(request)
    except OSError as error:
        return str(error)
    finally:
        caller.close()
    return "" if code == 200 else f"{code} {body[:300]!r}"


def _all_traffic(visit: Visit, running: _Running) -> list[_Traffic]:
    """Every load in every dialect that the server knows, after its answers were compared."""
    found = []
    for rows in sorted({cell.rows for cell in visit.cells}):
        known = _compared(visit, running, rows)
        found += [
            _Traffic(cell, dialect, sent)
            for cell in visit.cells
            if cell.rows == rows
            for dialect, sent in known.items()
        ]
    return found


def _compared(visit: Visit, running: _Running, rows: int) -> Mapping[str, list[Exchange]]:
    sample, known = visit.sample, dict[str, list[Exchange]]()
    step = max(1, (len(sample.rows) - rows) // _REQUESTS[rows])
    parts = [sample.part(at * step, rows) for at in range(_REQUESTS[rows])]
    for dialect in visit.server.dialects:
        if not dialect.fits(sample, rows):
            continue
        caller = Caller(running.start.port, running.ids)
        try:
            known[dialect.name] = exchanges(caller, dialect, parts, predicts=visit.server.predicts)
        except Unsupported as error:
            running.refused[dialect.name] = str(error)
        finally:
            caller.close()
    if not known:
        raise Unfit(f"{visit.server.name}: {'; '.join(running.refused.values())}")
    return known


def _press(visit: Visit, running: _Running, driver: Driver, traffic: _Traffic) -> Measured:
    port, callers = running.start.port, traffic.cell.callers

    def press(seconds: float) -> Load:
        sent = traffic.exchanges
        return driver.press(port, sent, callers=callers, seconds=seconds, ids=running.ids)

    press(min(WARM_S, visit.seconds))
    before = running.tree.processor_s()
    load = press(visit.seconds)
    spent = running.tree.processor_s() - before
    return Measured(
        round=visit.round,
        model=visit.sample.model,
        server=visit.server.name,
        kind=visit.server.kind,
        dialect=traffic.dialect,
        cell=str(traffic.cell),
        rate=load.rate,
        p50_ms=load.p50_us / 1e3,
        p99_ms=load.p99_us / 1e3,
        cpu_us=spent / max(1, load.answers) * 1e6,
        answers=load.answers,
        failed=load.failed,
        differing=load.differing,
        complaint=load.complaint,
    )


def _summary(visit: Visit, running: _Running, loaded_mib: float) -> Started:
    answered = running.ids.read_text().split()
    outbox = running.start.outbox
    return Started(
        round=visit.round,
        model=visit.sample.model,
        server=visit.server.name,
        kind=visit.server.kind,
        cold_start_s=running.cold_start_s,
        idle_mib=running.idle_mib,
        loaded_mib=loaded_mib,
        answered=len(answered),
        astray=astray(answered, stored_ids(outbox)) if outbox.exists() else None,
        refused=running.refused,
    )
