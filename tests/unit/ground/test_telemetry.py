"""Logs are one JSON object a line; metrics exist only in the catalogue."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mlplatform import telemetry


def test_unlisted_metric_is_refused() -> None:
    """A name outside of the catalogue raises, whatever the type checker accepts."""
    with pytest.raises(KeyError):
        telemetry.counter("nonsense_total")  # type: ignore[arg-type]


def test_every_metric_can_be_made_and_has_a_meaning() -> None:
    """Each line of the catalogue is a metric that Prometheus accepts."""
    registry = CollectorRegistry()
    for name, line in telemetry.CATALOGUE.items():
        getattr(telemetry, line.kind)(name, registry)

        assert line.meaning.endswith(".")


def test_two_threads_make_a_metric_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use of a metric by several threads at once gives all of them the same one."""
    registry = CollectorRegistry()
    real, both = telemetry.Counter, threading.Barrier(2)

    def slow(*args: Any, **more: Any) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # the other thread is here too, if it may
        return real(*args, **more)

    monkeypatch.setattr(telemetry, "Counter", slow)
    with ThreadPoolExecutor(2) as threads:
        found = [
            threads.submit(telemetry.counter, "shipper_records_total", registry) for _ in range(2)
        ]

    assert 1 == len({id(one.result()) for one in found})


PROGRAM = """
import logging, structlog
from mlplatform import telemetry
from mlplatform.settings import TelemetrySettings
telemetry.configure(TelemetrySettings(), process="test")
with structlog.contextvars.bound_contextvars(request_id="r1"):
    telemetry.logger("etl").info("hello", rows=3)
logging.getLogger("foreign").warning("careful")
"""


FAILURE = """
def handle(authorization):
    return 1 / 0
try:
    handle("Bearer s3cr" + "et")
except ZeroDivisionError:
    telemetry.logger("serving").exception("unexpected error")
"""


def test_log_lines_are_json_with_bound_ids() -> None:
    """A line has process, component, level, UTC time and bound ids; so has a library's."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )  # logging is set up once a process
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    expected = {
        "event": "hello",
        "rows": 3,
        "component": "etl",
        "process": "test",
        "request_id": "r1",
        "level": "info",
    }

    assert expected.items() <= lines[0].items()
    assert lines[0]["timestamp"].endswith("Z")
    assert "careful" == lines[1]["event"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_variables(log_format: str) -> None:
    """An unexpected error is logged with its frames, without the token that a frame holds."""
    settings = f"TelemetrySettings(log_format='{log_format}')"
    program = PROGRAM.replace("TelemetrySettings()", settings) + FAILURE
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "ZeroDivisionError" in done.stderr
    assert "handle" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_log_that_nobody_reads_breaks_nothing() -> None:
    """With its standard error closed by the reader, a process goes on, and ends well."""
    program = (
        PROGRAM
        + "\nimport os\nfor _ in range(3):\n    telemetry.logger('etl').error('x' * 100_000)\n"
        "print('done')\nos._exit(0)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    child.stderr.close()
    said, _ = child.communicate(timeout=30)

    assert "done\n" == said
