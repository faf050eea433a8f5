"""Counts of requests, kept by the event loop as plain numbers.

The client library's own counters take a lock and several checks for each step; with a histogram
they would be a tenth of what a small request costs. These are turned into its metrics when somebody
reads them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from mlplatform.telemetry import CATALOGUE, SECONDS, MetricName

_EDGES = (*map(floatToGoString, SECONDS), "+Inf")


class Tally:
    """What one pipeline has answered. Only the event loop counts; anybody may read."""

    __slots__ = ("codes", "rows", "seconds", "times")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.rows: dict[str, int] = {}
        self.times = [0] * len(_EDGES)  # responses by the time that they took, as in SECONDS
        self.seconds = 0.0

    def replied(self, code: int, seconds: float) -> None:
        """One response."""
        self.codes[code] = self.codes.get(code, 0) + 1
        self.times[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds

    def predicted(self, version: str, rows: int) -> None:
        """Rows of one prediction."""
        self.rows[version] = self.rows.get(version, 0) + rows


class Tallies(Collector):
    """The tallies of a registry, by pipeline, as metrics of the catalogue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._of: dict[str, Tally] = {}
        registry.register(self)

    def of(self, pipeline: str) -> Tally:
        """The tally of that pipeline; it goes on when asked for again."""
        return self._of.setdefault(pipeline, Tally())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        requests, rows = _counter("serving_requests_total"), _counter("serving_rows_total")
        name, meaning, labels = _described("serving_request_seconds")
        seconds = HistogramMetricFamily(name, meaning, labels=labels)
        for pipeline, tally in list(self._of.items()):
            for code, count in list(tally.codes.items()):
                requests.add_metric([pipeline, str(code)], count)
            for version, count in list(tally.rows.items()):
                rows.add_metric([pipeline, version], count)
            buckets = list(zip(_EDGES, accumulate(tally.times), strict=True))
            seconds.add_metric([pipeline], buckets, tally.seconds)
        yield from (requests, rows, seconds)


def _counter(name: MetricName) -> CounterMetricFamily:
    full, meaning, labels = _described(name)
    return CounterMetricFamily(full, meaning, labels=labels)


def _described(name: MetricName) -> tuple[str, str, tuple[str, ...]]:
    line = CATALOGUE[name]
    return f"mlplatform_{name}", line.meaning, line.labels


_tallies: dict[CollectorRegistry, Tallies] = {}


def tallies(registry: CollectorRegistry) -> Tallies:
    """Those of that registry, made on first use."""
    if registry not in _tallies:
        _tallies[registry] = Tallies(registry)
    return _tallies[registry]
