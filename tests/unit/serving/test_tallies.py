"""Serving's own counts read like those of the client library."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from mlplatform.serving.meters import Meters
from mlplatform.serving.tallies import tallies
from mlplatform.telemetry import CATALOGUE, SECONDS

TIMES = (0.0, 0.0004, 0.001, 0.0011, 0.25, 0.3, 119.0, 120.0, 121.0)


def page(registry: CollectorRegistry) -> set[str]:
    """What is read of a registry, but for the times at which metrics were made."""
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if "_created" not in line}


def test_a_tally_reads_like_the_librarys_metrics() -> None:
    """Name, help, labels, buckets and sums are the same, also at the edges of buckets."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = tallies(ours).of("ward")
    requests, rows, seconds = (
        kind(f"mlplatform_{name}", CATALOGUE[name].meaning, CATALOGUE[name].labels, **more)
        for kind, name, more in (
            (Counter, "serving_requests_total", {"registry": theirs}),
            (Counter, "serving_rows_total", {"registry": theirs}),
            (Histogram, "serving_request_seconds", {"registry": theirs, "buckets": SECONDS}),
        )
    )
    for number, time in enumerate(TIMES):
        code = 200 if number % 2 else 422
        tally.replied(code, time)
        tally.predicted("7", number)
        requests.labels("ward", str(code)).inc()
        rows.labels("ward", "7").inc(number)
        seconds.labels("ward").observe(time)

    assert page(theirs) == page(ours)


@pytest.mark.parametrize("pipelines", [("ward", "ward"), ("ward", "other")])
def test_counts_go_on_when_a_pipeline_is_metered_again(pipelines: tuple[str, str]) -> None:
    """A registry has one tally per pipeline."""
    registry = CollectorRegistry()
    for pipeline in pipelines:
        Meters(pipeline, registry).replied(200, 0.01)
    labels = {"pipeline": pipelines[0], "code": "200"}

    expected = float(pipelines.count(pipelines[0]))
    assert expected == registry.get_sample_value("mlplatform_serving_requests_total", labels)
