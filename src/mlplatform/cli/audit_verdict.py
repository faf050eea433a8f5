"""A verdict on stored records, for people."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.cli.output import table
from mlplatform.evidence.findings import AuditVerdict, ChainFinding, Note

_MOST_SHOWN = 50


def show(verdict: AuditVerdict) -> None:
    """Print it, the accusations first."""
    table(
        ("OUTBOX", "NUMBERS", "PROVEN", "CHECKPOINT UP TO"),
        [
            (box.outbox_id, f"{box.first}-{box.last}", box.proven, box.witnessed or "none")
            for box in verdict.outboxes
        ],
    )
    findings = [each for box in verdict.outboxes for each in box.findings]
    notes = [each for box in verdict.outboxes for each in box.notes]
    for heading, lines in (("FINDING", findings), ("EXPLAINED", notes)):
        _show_lines(heading, lines)
    for request_id in verdict.numberless:
        print(f"inserted: request {request_id} says that it comes from serving, and has no number")
    for why in verdict.refused:
        print(f"not proven: {why}")
    if verdict.imported:
        print(f"{verdict.imported:,} requests were imported: they are not chained")
    if verdict.unsigned:
        print("checkpoints were not compared with a key: --public-key does")
    print(_sentence(verdict, accused=bool(findings or verdict.numberless)))


def _sentence(verdict: AuditVerdict, *, accused: bool) -> str:
    if accused:
        return "NOT everything is what was recorded"
    if not verdict.ok:
        return "nothing speaks against what is there, but not all of it is proven"
    return "everything is what was recorded"


def _show_lines(heading: str, found: Sequence[ChainFinding | Note]) -> None:
    if not found:
        return
    lines = [
        (
            each.kind,
            each.outbox_id,
            f"{each.first}-{each.last}" if each.last > each.first else each.first,
            each.detail,
        )
        for each in found[:_MOST_SHOWN]
    ]
    print()
    table((heading, "OUTBOX", "NUMBERS", "WHY"), lines)
    if len(found) > _MOST_SHOWN:
        print(f"and {len(found) - _MOST_SHOWN:,} more: --json has all")
