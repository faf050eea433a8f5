"""What serving must reach against its peers, and what it did.

Ratios are medians over rounds of ratios within the round. Our server is taken in its fastest JSON
dialect, like every peer in its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from serving_peers.results import Measured, Results, Started, median, ratio

OURS, UNLOGGED, STOCK, TUNED = ("ours",), ("unlogged",), ("peer",), ("tuned",)
PEERS = (*STOCK, *TUNED)
CONSTANT = "bare ASGI, constant"
_MODELS = ("linear", "boosting", "forest")


@dataclass(frozen=True)
class Goal:
    """One figure with its bounds; None as the value where it was not measured."""

    name: str
    value: float | None
    must: float
    target: float
    unit: str = "x"
    least: bool = True  # whether the bounds are lower ones

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.value is None:
            return "not measured"
        for bound, word in ((self.target, "target"), (self.must, "must")):
            if (self.value >= bound) if self.least else (self.value <= bound):
                return word
        return "**missed**"


@dataclass(frozen=True)
class _Speed:
    """Requests a second against the fastest server of some kinds."""

    cell: str
    model: str
    kinds: Sequence[str]
    against: str
    must: float
    target: float


_SPEEDS = (
    *(_Speed("1 x 64", model, STOCK, "best stock peer", 10, 20) for model in _MODELS[:2]),
    *(_Speed("1 x 64", model, TUNED, "tuned MLServer", 7, 12) for model in _MODELS[:2]),
    _Speed("1 x 64", "forest", PEERS, "best peer", 12, 18),
    *(_Speed("1 x 8", model, PEERS, "best peer", 4, 8) for model in _MODELS[:2]),
    _Speed("1 x 8", "forest", PEERS, "best peer", 12, 25),
    _Speed("1 x 1", "linear", PEERS, "best peer", 2.5, 4),
    _Speed("1 x 1", "boosting", PEERS, "best peer", 3.5, 6),
    _Speed("1 x 1", "forest", PEERS, "best peer", 25, 40),
    _Speed("100 x 8", "linear", TUNED, "tuned MLServer", 1.8, 2.5),
    _Speed("100 x 8", "boosting", TUNED, "tuned MLServer", 2, 2.5),
    _Speed("100 x 8", "forest", TUNED, "tuned MLServer", 3.5, 4.3),
)


def goals(results: Results) -> list[Goal]:
    """All of them, in the order of the report."""
    parts = (_speeds, _binary, _latencies, _shares, _log, _starts, _faults)
    return [goal for part in parts for goal in part(results)]


def _speeds(results: Results) -> Iterator[Goal]:
    for one in _SPEEDS:
        ours = results.fastest(OURS, one.model, one.cell)
        theirs = results.fastest(one.kinds, one.model, one.cell)
        name = f"{one.cell}, {one.model}: {one.against}"
        yield Goal(name, ratio(ours, theirs, _rate), one.must, one.target)


def _binary(results: Results) -> Iterator[Goal]:
    ours = [
        one
        for one in results.loads
        if one.kind == "ours" and one.model == "linear" and "binary" in one.dialect
    ]
    theirs = results.fastest(TUNED, "linear", "100 x 8")
    name = "100 x 8, linear, binary tensors: tuned MLServer's JSON"
    yield Goal(name, ratio(ours, theirs, _rate), 4, 8)


def _latencies(results: Results) -> Iterator[Goal]:
    for model in _MODELS:
        ours = results.fastest(OURS, model, "1 x 64")
        names = dict.fromkeys(one.server for one in results.loads if one.kind in PEERS)
        theirs = [found for name in names if (found := results.best(name, model, "1 x 64"))]
        least = min(theirs, key=lambda found: median(found, _p99), default=[])
        name = f"1 x 64, {model}: p99 against the least of any peer"
        yield Goal(name, ratio(ours, least, _p99), 1 / 8, 1 / 15, least=False)
        spread = median(ours, lambda one: one.p99_ms / one.p50_ms) if ours else None
        yield Goal(f"1 x 64, {model}: p99 / p50", spread, 4, 2, least=False)


def _shares(results: Results) -> Iterator[Goal]:
    for model in _MODELS:
        ours = results.fastest(OURS, model, "1 x 64")
        value = ratio(ours, results.best(CONSTANT, model, "1 x 64"), _rate)
        yield Goal(f"1 x 64, {model}: share of a constant answer", value, 0.6, 0.8)


def _log(results: Results) -> Iterator[Goal]:
    for cell, must, target in (
        ("1 x 1", 0.6, 0.7),
        ("1 x 64", 0.85, 0.93),
        ("100 x 8", 0.85, 0.93),
    ):
        for model in _MODELS:
            on = results.fastest(OURS, model, cell)
            off = results.fastest(UNLOGGED, model, cell)
            yield Goal(f"{cell}, {model}: log on against off", ratio(on, off, _rate), must, target)


def _starts(results: Results) -> Iterator[Goal]:
    figures: tuple[tuple[str, Callable[[Started], float], float, float, str], ...] = (
        ("cold start", lambda one: one.cold_start_s, 0.4, 0.3, "s"),
        ("memory idle", lambda one: one.idle_mib, 85, 70, "MiB"),
        ("growth under load", lambda one: one.loaded_mib - one.idle_mib, 10, 10, "MiB"),
    )
    for name, of, must, target, unit in figures:
        found = [
            median(starts, of)
            for model in _MODELS
            if (starts := [s for s in results.starts if s.kind == "ours" and s.model == model])
        ]
        worst = max(found, default=None)
        yield Goal(f"{name} (of the worst model)", worst, must, target, unit, least=False)


def _faults(results: Results) -> Iterator[Goal]:
    loads = [one for one in results.loads if one.kind in (*OURS, *UNLOGGED)]
    starts = [one for one in results.starts if one.astray is not None]
    wrong = float(sum(one.failed + one.differing for one in loads)) if loads else None
    astray = float(sum(one.astray or 0 for one in starts)) if starts else None
    yield Goal("failed or wrong answers of ours", wrong, 0, 0, "", least=False)
    yield Goal("requests of ours not stored exactly once", astray, 0, 0, "", least=False)


def _rate(one: Measured) -> float:
    return one.rate


def _p99(one: Measured) -> float:
    return one.p99_ms
