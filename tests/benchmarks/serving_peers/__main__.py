"""Measure our server and its peers in interleaved rounds: `make bench-serving`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from serving_peers.plot import plot
from serving_peers.report import PLOT, page
from serving_peers.results import CELLS, Cell, Results
from serving_peers.rounds import Plan, Rounds
from serving_peers.servers import ROOT, SERVERS, Server

MODELS = ("linear", "boosting", "forest")
BUILD = ROOT / "build" / "bench-serving"
DOCS = ROOT / "docs" / "reference"


def main() -> None:
    """Measure, then write what was found."""
    chosen = arguments(sys.argv[1:])
    chosen.build.mkdir(parents=True, exist_ok=True)
    raw = chosen.build / "results.json"
    if not chosen.report_only:
        Rounds(plan(chosen)).run(raw)
    results = Results.read(raw)
    text = page(results)
    print(text)
    folder = chosen.build if partial(chosen) else chosen.docs
    (folder / "serving-benchmark.md").write_text(text)
    plot(results, folder / PLOT)
    print(f"written to {folder}")


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="serving_peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="per load")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="those whose names begin so")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--cells", nargs="+", metavar="ROWSxCONNECTIONS", help="as in 1x64")
    parser.add_argument("--build", type=Path, default=BUILD, help="models and raw results")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder for the page and the plot")
    parser.add_argument("--report-only", action="store_true", help="from the last raw results")
    return parser.parse_args(given)


def partial(chosen: argparse.Namespace) -> bool:
    """Whether something is left out: such a page doesn't replace the one in docs."""
    return bool(chosen.servers or chosen.cells) or tuple(chosen.models) != MODELS


def plan(chosen: argparse.Namespace) -> Plan:
    """What the arguments ask for."""
    return Plan(
        servers=servers(chosen.servers),
        models=chosen.models,
        cells=cells(chosen.cells),
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        build=chosen.build,
    )


def servers(prefixes: Sequence[str] | None) -> list[Server]:
    """The servers whose names begin with one of these; all without any."""
    wanted = tuple(prefix.lower() for prefix in prefixes or [""])
    return [server for server in SERVERS if server.name.lower().startswith(wanted)]


def cells(names: Sequence[str] | None) -> list[Cell]:
    """The loads of these names; all without any."""
    return [cell for cell in CELLS if not names or str(cell).replace(" ", "") in names]


if __name__ == "__main__":
    main()
