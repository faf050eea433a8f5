"""Retention on a running data API: what is old is made, removed, and counted."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from mlplatform.client.dataset import read_dataset
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.removed import Removed
from mlplatform.contracts.retention_days import PIPELINE_KINDS, SHARED_KINDS

DAYS = {"requests": 30, "feature_rows": 30, "labels": 30, "quarantine_open": 30, "features": 1}
NAMES = ("manual-one", "auto-one")


def past_id(days: float) -> str:
    """A UUIDv7 of so many days ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    head = int(moment.timestamp() * 1000) << 80
    return str(UUID(int=head | 7 << 76 | random.getrandbits(74) | 2 << 62))


def age_records(api: Any, days: int) -> None:
    """Let labels, entries, receipts, the ledger and unused tables be so many days older."""
    by = f"interval '{days} days'"
    with api.databases.connect("owner", "warehouse") as warehouse:
        for statement in (
            f"UPDATE warehouse.labels SET labelled_at = labelled_at - {by}",
            f"UPDATE warehouse.quarantine SET at = at - {by}, resolved_at = resolved_at - {by}",
            f"UPDATE control.receipts SET at = at - {by}",
            f"UPDATE control.unused_sets SET since = since - {by}",
        ):
            warehouse.execute(statement)
    api.databases.catch_up()


def old_partition(api: Any, days: int) -> str:
    """Make the partition of the month that lies so many days back."""
    first = (datetime.now(UTC) - timedelta(days=days)).replace(day=1, hour=0, minute=0, second=0)
    name = first.strftime("%Y%m")
    with api.databases.connect("owner", "raw") as raw:
        low, high = raw.execute(
            "SELECT raw.first_request_id(m)::text, raw.first_request_id(m + interval '1 month')"
            "::text FROM date_trunc('month', %s::timestamptz, 'UTC') AS m",
            (first,),
        ).fetchone()
        raw.execute(
            f"CREATE TABLE raw.requests_{name} PARTITION OF raw.requests "
            f"FOR VALUES FROM ('{low}') TO ('{high}')"
        )
    return f"requests_{name}"


def run_all(api: Any, *, dry_run: bool = False) -> dict[str, Removed]:
    """One run without the steps that need MLflow: `pipeline.kind` -> what went."""
    found: dict[str, Removed] = {}
    with api.client("keeper") as client:
        for kind in (*PIPELINE_KINDS, *SHARED_KINDS):
            shared = kind in (*SHARED_KINDS, "requests")
            for name in () if kind == "runs" else (None,) if shared else NAMES:
                done = client.remove_past(kind, name, dry_run=dry_run)
                found[f"{name}.{kind}" if name else kind] = done
    api.databases.catch_up()
    return found


def balance_sheet(api: Any) -> BalanceSheet:
    api.databases.catch_up()
    with api.client("reader") as client:
        return client.balance()


def closed(sheet: BalanceSheet) -> bool:
    return all(each.whole for each in sheet.outboxes) and not any(
        each.unaccounted or each.waiting for each in sheet.rows.values()
    )


def counts(found: dict[str, Removed]) -> dict[str, tuple[int, int]]:
    return {name: (each.items, each.size) for name, each in found.items() if each.items}


def read_training(api: Any, name: str = NAMES[0], **query: Any) -> Receipt:
    api.databases.catch_up()
    with api.client(f"run of {name}") as client:
        return read_dataset(client, f"{name}.training", DatasetQuery(**query)).receipt


def version(api: Any, receipt: Receipt, number: int, state: str, days: int = 0) -> None:
    """Register a version behind the data API's back."""
    name = receipt.dataset.partition(".")[0]
    with api.databases.connect("owner", "warehouse") as warehouse:
        warehouse.execute(
            "INSERT INTO control.model_versions (pipeline, version, state, run_id, artifacts, "
            "manifest_sha256, features_digest, commit, format, receipt_id, created_at) VALUES "
            "(%s, %s, %s, 'r', 'a', %s, %s, 'c0ffee', 'onnx', %s, "
            "now() - make_interval(days => %s))",
            (name, str(number), state, "a" * 64, receipt.query.digest, receipt.id, days),
        )
