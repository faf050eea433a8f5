"""The one summary at the end of `up` and `demo`."""

from __future__ import annotations

from pathlib import Path

from mlplatform.cli.output import figures
from mlplatform.contracts.balance import OutboxBalance
from mlplatform.local.tour.examples import NAMES
from mlplatform.local.tour.summary import PipelineSummary, Summary

MIB = 1024 * 1024
OWN_DATA = "docs/start/your-own-data.md"


def show(summary: Summary, *, home: Path | None) -> None:
    """Print it. `home` is given when the stack stays up: then it says how to use and stop it."""
    print()
    width = max((len(name) for name in summary.pipelines), default=0)
    for pipeline in summary.pipelines.values():
        first, *others = _lines(pipeline)
        print(f"{pipeline.name:<{width}}  {first}")
        for line in others:
            print(f"{'':<{width}}  {line}")
    if summary.pipelines:
        print()
    for outbox in summary.balance.outboxes if summary.balance else ():
        print(f"balance   {_balance(outbox)}")
    if summary.first_prediction_s and summary.first_start:
        first = f"{summary.first_prediction_s:.1f} s to the first answered prediction"
        print(f"time      {first}, {summary.total_s:.1f} s for the whole tour")
    elif summary.ready_s:
        print(f"time      {summary.ready_s:.1f} s to all servers")
    print(f"memory    {sum(summary.memory_bytes.values()) / MIB:.0f} MiB: {_memory(summary)}")
    if home is not None:
        _how_to_go_on(summary, home)


def _balance(outbox: OutboxBalance) -> str:
    accounted = f"{outbox.stored} stored + {outbox.dead_lettered} dead letters"
    missing = f"missing: {outbox.missing or 'none'} (outbox {outbox.outbox_id[:8]})"
    if outbox.used_twice:
        missing = f"used twice: {outbox.used_twice}, {missing}"
    return f"{outbox.accepted} accepted = {accounted}, {missing}"


def _lines(pipeline: PipelineSummary) -> list[str]:
    """What there is to say of one pipeline; short lines, for narrow terminals."""
    if not pipeline.versions:
        return ["no version yet"]
    versions = " → ".join(dict.fromkeys(pipeline.versions))
    rows = " → ".join(str(count) for count in pipeline.training_rows)
    by_hand = ", approved by hand" if pipeline.approved_by_hand else ""
    found = [
        f"version {versions} ({pipeline.format}) answers{by_hand}",
        f"trained on {rows} rows from the {pipeline.trained_on}",
        figures(dict(pipeline.metrics)),
    ]
    if pipeline.sent:
        stored = f"{pipeline.stored} found in the database, {pipeline.labelled} labelled"
        found.append(f"{pipeline.sent} live rows answered, {stored}")
    return found


def _memory(summary: Summary) -> str:
    largest = sorted(summary.memory_bytes.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / MIB:.0f}" for name, size in largest)


def _to_try(pipeline: PipelineSummary) -> str:
    if pipeline.versions:
        return f"mlplatform predict {pipeline.name}    (shows a row to send)"
    return f"mlplatform import {pipeline.name} FILE --wait, then mlplatform train {pipeline.name}"


def _how_to_go_on(summary: Summary, home: Path) -> None:
    print()
    for name, url in summary.urls.items():
        page = {"mlflow": "", "serving": "/docs", "dataapi": "/docs"}.get(name, "")
        print(f"{name:<9} {url}{page}")
    print(f"tokens    {summary.tokens_file}")
    print(f"logs      {home / 'logs'}  (mlplatform logs NAME -f)")
    if summary.pipelines:
        print(f"try       {_to_try(next(iter(summary.pipelines.values())))}")
    if set(NAMES) & summary.pipelines.keys():
        print(f"own data  mlplatform new NAME --from FILE --target COLUMN    ({OWN_DATA})")
    print("stop      Ctrl-C, or `mlplatform down` in another terminal; the data stays")
