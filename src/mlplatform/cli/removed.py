"""What a run of the retention removed, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.cli.output import table
from mlplatform.contracts.removed import Removed


def show_removed(done: Sequence[Removed], *, dry_run: bool) -> None:
    """Print a line for each kind of which something went, or stays though it is past its days."""
    lines = [
        [each.pipeline or "all", each.kind, f"{each.items:,}", f"{each.size:,}", _about(each)]
        for each in done
        if each.items or each.kept or each.names or each.held
    ]
    if lines:
        verb = "WOULD GO" if dry_run else "REMOVED"
        table(("PIPELINE", "KIND", verb, "BYTES", "ABOUT"), lines)
        return
    print("nothing is past its days")


def _about(removed: Removed) -> str:
    """What went as a whole, and what stays although it is past its days."""
    parts = [f"{removed.rows:,} rows"] if removed.rows else []
    parts += [f"whole: {', '.join(removed.names)}"] if removed.names else []
    parts += [f"{count:,} stay: {why}" for why, count in removed.kept.items()]
    parts += [f"nothing: {removed.held}"] if removed.held else []
    return "; ".join(parts) or "-"
