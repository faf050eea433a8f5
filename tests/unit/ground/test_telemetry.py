"""Logs are one JSON object a line; metrics exist only in the catalogue."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from prometheus_client import CollectorRegistry

from mlplatform import telemetry
from mlplatform.settings import Telemetry


def test_unlisted_metric_is_refused() -> None:
    """A name outside of the catalogue raises, whatever the type checker was told."""
    with pytest.raises(KeyError):
        telemetry.counter("nonsense_total")  # type: ignore[arg-type]


def test_every_metric_can_be_made_and_has_a_meaning() -> None:
    """Each line of the catalogue is a metric that Prometheus accepts."""
    registry = CollectorRegistry()
    for name, line in telemetry.CATALOGUE.items():
        getattr(telemetry, line.kind)(name, registry)

        assert line.meaning.endswith(".")


def test_log_lines_are_json_with_bound_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """A line carries process, component, level, UTC time and the ids bound around it; so does one of a foreign library."""
    telemetry.configure(Telemetry(), process="test")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        telemetry.logger("etl").info("hello", rows=3)
    logging.getLogger("foreign").warning("careful")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.contextvars.clear_contextvars()

    assert {"event": "hello", "rows": 3, "component": "etl", "process": "test", "request_id": "r1", "level": "info"}.items() <= lines[
        0
    ].items()
    assert lines[0]["timestamp"].endswith("Z")
    assert lines[1]["event"] == "careful"
