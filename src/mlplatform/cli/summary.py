"""The one summary at the end of `up` and `demo`."""

from __future__ import annotations

from pathlib import Path

from mlplatform.cli.output import figures, table
from mlplatform.local.summary import PipelineSummary, Summary

MIB = 1024 * 1024


def show(summary: Summary, *, home: Path | None) -> None:
    """Print it. `home` is given when the stack stays up: then it says how to use and stop it."""
    print()
    if summary.pipelines:
        table(
            ("PIPELINE", "SERVES", "FORMAT", "METRICS", "TRAINED ON", "LIVE ROWS", "STORED", "LABELS"),
            [_line(pipeline) for pipeline in summary.pipelines.values()],
        )
        print()
    for outbox in summary.balance.get("outboxes", ()):
        print(f"balance   outbox {outbox['outbox_id'][:8]}: {outbox['accepted']} accepted = {outbox['stored']} stored + "
              f"{outbox['dead_lettered']} dead letters; missing: {outbox['missing'] or 'none'}")  # fmt: skip
    if summary.first_prediction_s and summary.first_start:
        print(f"time      {summary.ready_s:.1f} s to all servers, {summary.first_prediction_s:.1f} s to the first answered prediction, "
              f"{summary.total_s:.1f} s in all")  # fmt: skip
    elif summary.ready_s:
        print(f"time      {summary.ready_s:.1f} s to all servers")
    print(f"memory    {sum(summary.memory_bytes.values()) / MIB:.0f} MiB: {_memory(summary)}")
    if home is not None:
        _how_to_go_on(summary, home)


def _line(pipeline: PipelineSummary) -> list[object]:
    serves = " → ".join(dict.fromkeys(pipeline.versions)) or "-"
    rows = " → ".join(str(count) for count in pipeline.training_rows)
    trained = f"{rows} rows from the {pipeline.trained_on}" if rows else "an earlier start"
    by_hand = " (approved by hand)" if pipeline.approved_by_hand else ""
    figures_of = {name: value for name, value in pipeline.metrics.items() if not name.startswith("champion_")}
    return [
        pipeline.name,
        serves + by_hand,
        pipeline.format,
        figures(figures_of),
        trained if pipeline.versions else "-",
        pipeline.sent,
        pipeline.stored,
        pipeline.labelled,
    ]


def _memory(summary: Summary) -> str:
    largest = sorted(summary.memory_bytes.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / MIB:.0f}" for name, size in largest)


def _how_to_go_on(summary: Summary, home: Path) -> None:
    print()
    for name, url in summary.urls.items():
        page = {"mlflow": "", "serving": "/docs", "dataapi": "/docs"}.get(name, "")
        print(f"{name:<9} {url}{page}")
    print(f"tokens    {summary.tokens_file}")
    print(f"logs      {home / 'logs'}  (mlplatform logs NAME -f)")
    if summary.pipelines:
        print(f"try       mlplatform predict {next(iter(summary.pipelines))}    (shows a row to send)")
    print("stop      Ctrl-C, or `mlplatform down` in another terminal; the data stays")
