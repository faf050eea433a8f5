"""All servers in turn, round after round."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from serving_peers import environments
from serving_peers.bodies import Sample
from serving_peers.comparison import WrongAnswer
from serving_peers.driver import Driver
from serving_peers.machine import machine
from serving_peers.measure import Unfit, Visit, measure
from serving_peers.results import Cell, Results
from serving_peers.servers import HERE, Server


@dataclass(frozen=True)
class Plan:
    """What is measured. `build` has the models, and gets the raw results after each round."""

    servers: Sequence[Server]
    models: Sequence[str]
    cells: Sequence[Cell]
    rounds: int
    seconds: float
    build: Path


class Rounds:
    """One run of a plan. A server that fails or answers wrong is named and left out from then."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._driver = Driver(plan.build)
        busy = f"{os.getloadavg()[0]:.1f}"
        self._results = Results(machine={**machine(plan.build), "load average before": busy})

    def run(self, raw: Path) -> Results:
        """All rounds; results are written after each, so that a long run can be inspected."""
        plan, results, began = self._plan, self._results, time.monotonic()
        train(plan.build / "models", plan.models)
        self._provide()
        for number in range(plan.rounds):
            for model in plan.models:
                # Each round begins with another server: none always follows the same one.
                first = number % len(plan.servers)
                for server in [*plan.servers[first:], *plan.servers[:first]]:
                    self._visit(server, model, number + 1)
            minutes, load = (time.monotonic() - began) / 60, os.getloadavg()[0]
            print(f"round {number + 1}: {minutes:.1f} min, load average {load:.1f}", flush=True)
            results.machine |= {
                "run": f"{number + 1} rounds, {plan.seconds:g} s per load, {minutes:.0f} min",
                "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            }
            results.write(raw)
        return results

    def _provide(self) -> None:
        """The peers' environments; a peer that can't be installed is named and left out."""
        for server in self._plan.servers:
            try:
                if server.venv is not None:
                    environments.provide(server.venv)
            except subprocess.CalledProcessError as error:
                self._results.excluded[server.name] = f"can't be installed: {error}"

    def _visit(self, server: Server, model: str, number: int) -> None:
        key, plan, began = f"{server.name}, {model}", self._plan, time.monotonic()
        if self._results.excluded.keys() & {server.name, key}:
            return
        folder = plan.build / "models" / model
        sample = Sample.read(folder)
        visit = Visit(server, sample, folder, plan.cells, plan.seconds, number)
        with tempfile.TemporaryDirectory(dir=plan.build) as scratch:
            try:
                measure(visit, self._driver, Path(scratch) / "server", self._results)
            except (Unfit, WrongAnswer, RuntimeError, OSError) as error:
                self._results.excluded[key] = str(error)
                print(f"!! {key}: {error}", flush=True)
        print(f"round {number}: {key}: {time.monotonic() - began:.1f} s", flush=True)


def train(folder: Path, models: Sequence[str]) -> None:
    """Write the models, in a process of its own; one thread, which is enough and doesn't spin."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-m", "serving_peers.models", str(folder), *models]
    subprocess.run(command, env=environment, check=True)
