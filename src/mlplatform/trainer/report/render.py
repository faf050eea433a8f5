"""The gate report for people: `report.html.j2`, filled with the evidence."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlplatform.contracts.pipeline import LOWER_IS_BETTER
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.plots import plots


def render(evidence: Evidence) -> str:
    """The report as a complete HTML document."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # jinja2's own choice by file name knows .html and not .j2, and would escape nothing here.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html.j2").render(
        evidence=evidence,
        definition=evidence.pinned.definition,
        champion=evidence.champion,
        search=evidence.search,
        model=evidence.model,
        lineage=_lineage(evidence),
        imported=evidence.imported,
        lower_is_better=LOWER_IS_BETTER,
        plots=plots(evidence.comparison),
        slices=evidence.slice_rows(),
    )


def _lineage(evidence: Evidence) -> dict[str, str]:
    receipt, pinned = evidence.receipt, evidence.pinned
    imported = evidence.imported
    origin = {} if imported is None else {"Imported from": imported.text, "By": imported.by}
    begun = "Trained because" if imported is None else "Imported because"
    return origin | {
        begun: evidence.reason or "not said",
        "Commit": pinned.commit,
        "Features digest": pinned.digest,
        "Dataset": f"{receipt.dataset}, {receipt.rows} rows, as of mark {receipt.as_of}",
        "Dataset SHA-256": receipt.sha256,
        "Read from": f"{receipt.server_role} {receipt.server} at LSN {receipt.lsn} "
        f"(timeline {receipt.timeline}, {receipt.lag_bytes} bytes behind)",
        "Receipt": receipt.id,
        "Rows": ", ".join(f"{count} {part}" for part, count in evidence.parts.sizes.items()),
        "Seed": str(pinned.definition.split.seed),
        "Manifest SHA-256": evidence.model.manifest_sha256,
        "Gate digest": evidence.digest(),
        "MLflow run": evidence.run_id,
    }


def _number(value: float | None) -> str:
    # NaN differs from itself.
    return "–" if value is None or value != value else f"{value:.5g}"  # noqa: PLR0124
