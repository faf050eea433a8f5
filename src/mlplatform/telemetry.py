"""Logs and metrics: one line of JSON per event, and a catalogue of every metric.

`configure` is called once by the command line. A process logs with `logger("etl")`; ids that belong
to a piece of work are bound with `structlog.contextvars` (request_id, run_id, pipeline). A metric
exists only if `CATALOGUE` lists it: `counter("nonsense")` fails the type check and raises KeyError.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import traceback
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TextIO, TypeAlias, cast

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
)

from mlplatform.log_writer import LogWriter
from mlplatform.settings import TelemetrySettings
from mlplatform.without import without

# It would import rich, for tracebacks in colours: a tenth of a second and 8 MiB of every process.
with without("rich"):
    import structlog

Logger: TypeAlias = structlog.typing.FilteringBoundLogger

SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    120.0,
)

MetricName = Literal[
    "serving_requests_total",
    "serving_rows_total",
    "serving_request_seconds",
    "serving_model_seconds",
    "serving_batch_requests",
    "serving_waiting_requests",
    "serving_model_info",
    "serving_load_failures_total",
    "serving_model_unloadable",
    "serving_acknowledgement_seconds",
    "serving_unacknowledged_requests",
    "outbox_accepted_sequence",
    "outbox_acknowledged_sequence",
    "outbox_bytes",
    "outbox_commit_seconds",
    "outbox_damaged_records_total",
    "outbox_unsynced_age_seconds",
    "outbox_unsynced_bytes",
    "outbox_unsynced_records",
    "shipper_records_total",
    "shipper_dead_letters_total",
    "shipper_failures_total",
    "audit_checkpoints_total",
    "audit_checkpoint_timestamp_seconds",
    "consumer_records_total",
    "consumer_dead_letters_total",
    "consumer_commit_seconds",
    "consumer_next_offset",
    "consumer_lag_records",
    "consumer_gone_records_total",
    "etl_rows_total",
    "etl_batch_seconds",
    "etl_failures_total",
    "dataapi_requests_total",
    "dataapi_request_seconds",
    "dataapi_dataset_rows_total",
    "dataapi_standby_refusals_total",
    "dataapi_standby_lag_bytes",
    "dataapi_standby_usable",
    "dataapi_mirror_failures_total",
    "trainer_step_seconds",
    "backup_seconds",
    "backup_bytes",
    "log_dropped_lines_total",
]


@dataclass(frozen=True)
class Metric:
    """One line of the catalogue. Exposed under `mlplatform_<name>`."""

    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = field(default=())


CATALOGUE: dict[MetricName, Metric] = {
    "serving_requests_total": Metric("counter", "Answered requests.", ("pipeline", "code")),
    "serving_rows_total": Metric("counter", "Predicted rows.", ("pipeline", "version")),
    "serving_request_seconds": Metric(
        "histogram", "From the first byte of a request to its answer.", ("pipeline",)
    ),
    "serving_model_seconds": Metric("histogram", "One model call for a batch.", ("pipeline",)),
    "serving_batch_requests": Metric("histogram", "Requests in a model call.", ("pipeline",)),
    "serving_waiting_requests": Metric("gauge", "Requests that wait for the model.", ("pipeline",)),
    "serving_model_info": Metric(
        "gauge", "1 for the version that answers.", ("pipeline", "version", "format")
    ),
    "serving_load_failures_total": Metric(
        "counter",
        "Versions that could not be loaded; the old one kept answering.",
        ("pipeline", "reason"),
    ),
    "serving_model_unloadable": Metric("gauge", "1: the champion isn't loaded.", ("pipeline",)),
    "serving_acknowledgement_seconds": Metric(
        "histogram",
        "From a stored request to its acknowledgement by the queue, for the longest one that was"
        " acknowledged at a time (serving.durability replicated).",
    ),
    "serving_unacknowledged_requests": Metric(
        "gauge", "Answers that wait for the queue (serving.durability replicated)."
    ),
    "outbox_accepted_sequence": Metric("gauge", "Number of the last record that was stored."),
    "outbox_acknowledged_sequence": Metric(
        "gauge", "Number of the last record that the queue has acknowledged."
    ),
    "outbox_bytes": Metric("gauge", "Bytes that wait in the outbox."),
    "outbox_commit_seconds": Metric(
        "histogram", "One group commit (write, and sync where every one is synced)."
    ),
    "outbox_damaged_records_total": Metric(
        "counter", "Records of the outbox that could not be read: named, and left out."
    ),
    "outbox_unsynced_age_seconds": Metric(
        "gauge", "How long the oldest record has waited for a sync (serving.durability interval)."
    ),
    "outbox_unsynced_bytes": Metric(
        "gauge", "Bytes of answered requests that a loss of the machine's power would take."
    ),
    "outbox_unsynced_records": Metric(
        "gauge", "Answered requests that a loss of the machine's power would take."
    ),
    "shipper_records_total": Metric("counter", "Records that the queue has acknowledged."),
    "shipper_dead_letters_total": Metric("counter", "Records sent as dead letters.", ("reason",)),
    "shipper_failures_total": Metric("counter", "Sends that failed and were tried again."),
    "audit_checkpoints_total": Metric("counter", "Checkpoints of chains that were written."),
    "audit_checkpoint_timestamp_seconds": Metric("gauge", "When checkpoints were last written."),
    "consumer_records_total": Metric("counter", "Records stored in the raw database."),
    "consumer_dead_letters_total": Metric("counter", "Unreadable records.", ("reason",)),
    "consumer_commit_seconds": Metric("histogram", "One transaction of rows and offsets."),
    "consumer_next_offset": Metric(
        "gauge", "Next offset of a partition, as the database holds it.", ("partition",)
    ),
    "consumer_lag_records": Metric(
        "gauge", "Records in the queue behind the offset in the database.", ("partition",)
    ),
    "consumer_gone_records_total": Metric(
        "counter",
        "Offsets that the queue lost before they were stored; the consumer stops.",
        ("partition",),
    ),
    "etl_rows_total": Metric("counter", "Rows by outcome.", ("pipeline", "outcome")),
    "etl_batch_seconds": Metric("histogram", "One batch, from read to commit.", ("pipeline",)),
    "etl_failures_total": Metric(
        "counter", "Batches that failed and were tried again.", ("pipeline",)
    ),
    "dataapi_requests_total": Metric("counter", "Answered requests.", ("route", "code")),
    "dataapi_request_seconds": Metric(
        "histogram", "Time of a request without the streaming of its body.", ("route",)
    ),
    "dataapi_dataset_rows_total": Metric("counter", "Dataset rows sent.", ("dataset",)),
    "dataapi_standby_refusals_total": Metric(
        "counter",
        "Reads and checks refused since no standby could be proven or it lagged.",
        ("reason",),
    ),
    "dataapi_standby_lag_bytes": Metric(
        "gauge", "WAL bytes between the standby's receive and replay positions, at the last read."
    ),
    "dataapi_standby_usable": Metric(
        "gauge", "1 while datasets can be read from this database's standby, else 0.", ("database",)
    ),
    "dataapi_mirror_failures_total": Metric(
        "counter", "Failed attempts to mirror a promotion record into MLflow's aliases."
    ),
    "trainer_step_seconds": Metric(
        "histogram", "One step of a training run.", ("pipeline", "step")
    ),
    "backup_seconds": Metric("histogram", "One snapshot of the registry."),
    "backup_bytes": Metric("gauge", "Size of the last snapshot."),
    "log_dropped_lines_total": Metric(
        "counter", "Log lines that were dropped, since the log could not be written in time."
    ),
}

_instruments: dict[tuple[CollectorRegistry, str], Counter | Gauge | Histogram] = {}
# Two threads that use a metric for the first time at once must not both register it.
_making = threading.Lock()


class _LogStream:
    """Where log lines go when stderr is no file of the system (under a test).

    A log that can't be written (its reader is gone, the disk is full) must not break the work that
    it is about.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # there is nowhere left to report it
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


# Tracebacks without the local variables, which structlog shows by default: those of a request hold
# its Authorization header.


def _json_renderers() -> list[Any]:
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(frames),
        structlog.processors.JSONRenderer(),
    ]


def _console_renderers() -> list[Any]:
    frames = structlog.dev.plain_traceback
    colors = sys.stderr.isatty()
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=frames)]


def configure(settings: TelemetrySettings, *, process: str) -> None:
    """Set up logging of this process to stderr. Called once, by the command line.

    Lines leave through a thread (LogWriter): a full pipe or a disk that hangs blocks nobody.
    """
    stream = cast("TextIO", _stream())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Any] = (
        _json_renderers() if settings.log_format == "json" else _console_renderers()
    )
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),  # one write a line
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    # Libraries are heard from WARNING on: what they say below that is not for whoever runs us.
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _stream() -> LogWriter | _LogStream:
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        return _LogStream(sys.stderr)
    os.set_inheritable(descriptor, False)
    writer = LogWriter(
        descriptor,
        on_drop=counter("log_dropped_lines_total").inc,
        on_recovery=lambda lines: logger("log").warning("log lines were dropped", lines=lines),
    )

    def last_words(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        writer.write("".join(traceback.format_exception(kind, error, trace)))

    # The end of a process waits for its last lines, but not for good.
    sys.excepthook = last_words
    atexit.register(writer.drain)
    return writer


def bind(**ids: object) -> None:
    """Have the lines of this process say more, e.g. which of several workers it is."""
    structlog.contextvars.bind_contextvars(**ids)


def logger(component: str) -> Logger:
    """A logger that carries its component."""
    return cast("Logger", structlog.get_logger(component=component))


def counter(name: MetricName, registry: CollectorRegistry = REGISTRY) -> Counter:
    """The counter of that name, made on first use."""
    return cast("Counter", _instrument(name, registry))


def gauge(name: MetricName, registry: CollectorRegistry = REGISTRY) -> Gauge:
    """The gauge of that name, made on first use."""
    return cast("Gauge", _instrument(name, registry))


def histogram(name: MetricName, registry: CollectorRegistry = REGISTRY) -> Histogram:
    """The histogram of that name, made on first use. Seconds unless its meaning says otherwise."""
    return cast("Histogram", _instrument(name, registry))


def _instrument(name: MetricName, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    # The registry itself, not its id: an id is used again once its owner is gone.
    key = (registry, name)
    if key not in _instruments:
        with _making:
            if key not in _instruments:
                _instruments[key] = _made(name, registry)
    return _instruments[key]


def _made(name: MetricName, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    line = CATALOGUE[name]
    full, labels = f"mlplatform_{name}", line.labels
    if line.kind == "counter":
        return Counter(full, line.meaning, labels, registry=registry)
    if line.kind == "gauge":
        return Gauge(full, line.meaning, labels, registry=registry)
    buckets = SECONDS if name.endswith("_seconds") else (1, 2, 4, 8, 16, 32, 64, 128)
    return Histogram(full, line.meaning, labels, registry=registry, buckets=buckets)
