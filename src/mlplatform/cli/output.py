"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.table import Table

from mlplatform.cli.terminal import console


def emit(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """A record as the server sent it, anything else (paths, times) as its text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return str(value)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table: with rules on a terminal, tab-free aligned text elsewhere."""
    made = Table(
        *headings,
        box=box.SIMPLE_HEAD if sys.stdout.isatty() else None,
        pad_edge=False,
        header_style="bold",
    )
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(made)


def figures(metrics: Mapping[str, Any]) -> str:
    """Metrics in a line: `roc_auc 0.993, log_loss 0.08`."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in metrics.items()
    )
