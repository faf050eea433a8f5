"""Where a version comes from, in tags and in plain words."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import distributions

from mlplatform.contracts.foreign_model import ImportedModel
from mlplatform.contracts.pipeline import LOWER_IS_BETTER
from mlplatform.trainer.report.evidence import Evidence

_MOST = 2_000  # characters of `contracts.text.Text`


def environment() -> str:
    """What really runs: Python and every installed distribution, one a line, sorted."""
    names = sorted(
        {
            f"{distribution.metadata['Name'].lower()}=={distribution.version}"
            for distribution in distributions()
        }
    )
    return "\n".join([f"python=={platform.python_version()}", *names, ""])


def lock_hash() -> str:
    """SHA-256 of `environment()`: two runs with the same one ran on the same libraries."""
    return hashlib.sha256(environment().encode()).hexdigest()


def tags(evidence: Evidence, image: str) -> dict[str, str]:
    """Tags of a version, by which it can be found and reproduced."""
    receipt, pinned = evidence.receipt, evidence.pinned
    found = {
        "receipt_id": receipt.id,
        "dataset": receipt.dataset,
        "dataset_sha256": receipt.sha256,
        "dataset_rows": str(receipt.rows),
        "as_of": str(receipt.as_of),
        "lsn": receipt.lsn,
        "commit": pinned.commit,
        "features_digest": pinned.digest,
        "lock_sha256": lock_hash(),
        "seed": str(pinned.definition.split.seed),
        "manifest_sha256": evidence.model.manifest_sha256,
        "format": evidence.model.signature.format,
        "gate_digest": evidence.digest(),
    }
    if evidence.imported is not None:
        found |= imported_tags(evidence.imported)
    return found | ({"image": image} if image else {})


def imported_tags(imported: ImportedModel) -> dict[str, str]:
    """Tags of a run and a version whose model was not trained here."""
    return {
        "imported_from": imported.origin,
        "imported_file": imported.file,
        "imported_format": imported.format,
        "imported_sha256": imported.sha256,
        "imported_by": imported.by,
    }


def description(evidence: Evidence) -> str:
    """The version in plain words."""
    pinned, rows = evidence.pinned, evidence.parts.sizes
    definition = pinned.definition
    figures = ", ".join(f"{name} {value:.4g}" for name, value in evidence.metrics.items())
    size = f"{_made(evidence)} judged on {rows['test']} held-out rows"
    origin = f"data as of mark {evidence.receipt.as_of}, code at commit {pinned.commit[:25]}"
    checked = f"Gates: {len(evidence.verdicts)} checked, cases: {len(evidence.cases)} checked"
    lines = [
        definition.description,
        "",
        f"{size} ({definition.split.by} split), {origin}.",
        f"On the held-out rows: {figures}. {_compared(evidence)}",
        f"Serves as {evidence.model.signature.format}. {checked}.",
    ]
    return "\n".join([*lines, f"Started because: {evidence.reason}"] if evidence.reason else lines)


def _made(evidence: Evidence) -> str:
    if evidence.imported is None:
        return f"Trained on {evidence.parts.sizes['train']} rows and"
    by = evidence.imported.by
    return f"Imported from {evidence.imported.text} by {by}, not trained here;"


def why(evidence: Evidence) -> str:
    """One sentence for the promotion record, cut to what it takes.

    Reasons may be as long themselves: a run must not fail for that after all its work.
    """
    gates, cases = len(evidence.verdicts), len(evidence.cases)
    reason = f" Run started because: {evidence.reason}" if evidence.reason else ""
    if evidence.imported is not None:
        reason = f" Imported from {evidence.imported.text} by {evidence.imported.by}.{reason}"
    return f"all {gates} gates and {cases} cases hold; {_compared(evidence)}{reason}"[:_MOST]


def _compared(evidence: Evidence) -> str:
    champion, metric = evidence.champion, evidence.pinned.definition.tuning.metric
    if metric not in champion.metrics:
        because = champion.why or "its metric is not defined on these rows"
        return f"Not compared with a champion: {because}."
    mine, theirs = evidence.metrics[metric], champion.metrics[metric]
    gain = (theirs - mine) if metric in LOWER_IS_BETTER else (mine - theirs)
    word = "better" if gain > 0 else "worse" if gain < 0 else "equal"
    return (
        f"{metric} is {mine:.4g}, version {champion.version} has {theirs:.4g} "
        f"on the same rows ({word})."
    )
