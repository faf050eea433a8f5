"""What was measured: records that can be written as JSON, and medians over them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

Record = TypeVar("Record")


@dataclass(frozen=True)
class Cell:
    """A load: rows in a request, callers at once."""

    rows: int
    callers: int

    def __str__(self) -> str:
        return f"{self.rows} x {self.callers}"


CELLS = (Cell(1, 1), Cell(1, 8), Cell(1, 64), Cell(100, 8))


@dataclass(frozen=True)
class Measured:
    """One server, asked in one dialect under one load in one round."""

    round: int
    model: str
    server: str
    kind: str
    dialect: str
    cell: str
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    answers: int
    failed: int
    differing: int
    complaint: str = ""


@dataclass(frozen=True)
class Started:
    """One start of a server in one round.

    Memory right after the first answer and after all loads. `astray` counts the requests that ours
    answered or stored, and not both exactly once; None where nothing is stored.
    """

    round: int
    model: str
    server: str
    kind: str
    cold_start_s: float
    idle_mib: float
    loaded_mib: float
    answered: int = 0
    astray: int | None = None
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Results:
    """Everything of one run. `excluded` says why a server is missing."""

    machine: dict[str, str] = field(default_factory=dict)
    loads: list[Measured] = field(default_factory=list)
    starts: list[Started] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` wrote."""
        found = json.loads(path.read_bytes())
        return cls(
            found["machine"],
            [Measured(**one) for one in found["loads"]],
            [Started(**one) for one in found["starts"]],
            found["excluded"],
        )

    def servers(self) -> list[str]:
        """In the order in which they were first measured."""
        return list(dict.fromkeys(one.server for one in self.loads))

    def models(self) -> list[str]:
        """Likewise."""
        return list(dict.fromkeys(one.model for one in self.loads))

    def dialects(self, server: str, model: str, cell: str) -> list[str]:
        """In which that server was asked."""
        return list(dict.fromkeys(one.dialect for one in self.of(server, model, cell)))

    def of(self, server: str, model: str, cell: str, dialect: str | None = None) -> list[Measured]:
        """Every round of these, in order."""
        return [
            one
            for one in self.loads
            if (one.server, one.model, one.cell) == (server, model, cell)
            and dialect in (None, one.dialect)
        ]

    def best(self, server: str, model: str, cell: str, *, json_only: bool = True) -> list[Measured]:
        """The rounds in the dialect with the highest median rate; empty when there is none."""
        rounds = [
            self.of(server, model, cell, dialect)
            for dialect in self.dialects(server, model, cell)
            if not (json_only and "binary" in dialect)
        ]
        return max(rounds, key=lambda found: median(found, lambda one: one.rate), default=[])

    def fastest(self, kinds: Sequence[str], model: str, cell: str) -> list[Measured]:
        """The rounds of the fastest server of these kinds, in its best dialect."""
        names = dict.fromkeys(one.server for one in self.loads if one.kind in kinds)
        rounds = [self.best(name, model, cell) for name in names]
        return max(
            filter(None, rounds), key=lambda found: median(found, lambda one: one.rate), default=[]
        )


def median(found: Iterable[Record], of: Callable[[Record], float]) -> float:
    """Of one figure over records."""
    return statistics.median(map(of, found))


def ratio(
    upper: Sequence[Measured], lower: Sequence[Measured], of: Callable[[Measured], float]
) -> float | None:
    """Median over rounds of a figure's ratio within the round: what slows the machine hits both.

    None when there is no round with both.
    """
    others = {one.round: of(one) for one in lower}
    pairs = [(of(one), others[one.round]) for one in upper if others.get(one.round)]
    return statistics.median(one / other for one, other in pairs) if pairs else None
