"""The gate report for people: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mlplatform.contracts.pipeline import LOWER_IS_BETTER
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.plots import plots
from mlplatform.trainer.steps.judge_gates import Verdict

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{border:1px solid #d0d7de;padding:.25rem .6rem;text-align:left;vertical-align:top}
th{background:#f6f8fa}td.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:#1a7f37}.bad{color:#cf222e;font-weight:600}
code{font-size:.85em;word-break:break-all}img{max-width:100%}.plots{display:flex;flex-wrap:wrap;gap:1rem}"""


def render(evidence: Evidence) -> str:
    """The report as a complete HTML document."""
    name = evidence.pinned.definition.name
    verdict = _mark(evidence.passed, "passed", "not passed")
    sections = (
        _lineage(evidence),
        _gates(evidence.verdicts),
        _metrics(evidence),
        _plots(evidence),
        _slices(evidence),
        _cases(evidence),
        _tuning(evidence),
        _export(evidence),
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(name)}: gate report</title><style>{_STYLE}</style>"
        f"<h1>{escape(name)}: {verdict}</h1><p>{escape(evidence.pinned.definition.description)}</p>{_complaints(evidence)}{''.join(sections)}</html>"
    )


def _complaints(evidence: Evidence) -> str:
    return (
        "<ul>"
        + "".join(f"<li class='bad'>{escape(line)}</li>" for line in evidence.complaints)
        + "</ul>"
        if evidence.complaints
        else ""
    )


def _lineage(evidence: Evidence) -> str:
    receipt, pinned = evidence.receipt, evidence.pinned
    facts = {
        "Trained because": evidence.reason or "not said",
        "Commit": pinned.commit,
        "Features digest": pinned.digest,
        "Dataset": f"{receipt.dataset}, {receipt.rows} rows, as of mark {receipt.as_of}",
        "Dataset SHA-256": receipt.sha256,
        "Read from": f"{receipt.server_role} {receipt.server} at LSN {receipt.lsn} (timeline {receipt.timeline}, {receipt.lag_bytes} bytes behind)",
        "Receipt": receipt.id,
        "Rows": ", ".join(f"{count} {part}" for part, count in evidence.rows.items()),
        "Seed": str(pinned.definition.split.seed),
        "Manifest SHA-256": evidence.exported.manifest_sha256,
        "Gate digest": evidence.digest(),
        "MLflow run": evidence.run_id,
    }
    return "<h2>Lineage</h2>" + _table(
        (),
        [
            (f"<b>{escape(key)}</b>", f"<code>{escape(value)}</code>")
            for key, value in facts.items()
        ],
    )


def _gates(verdicts: Sequence[Verdict]) -> str:
    rows = [
        (
            escape(verdict.metric),
            escape(verdict.slice or "all test rows"),
            escape(verdict.condition),
            _number(verdict.value),
            _number(verdict.bound),
            str(verdict.rows),
            _mark(verdict.passed, "passed", "failed"),
            escape(verdict.note),
        )
        for verdict in verdicts
    ]
    return "<h2>Gates</h2>" + _table(
        ("metric", "where", "wanted", "found", "bound", "rows", "verdict", "note"), rows
    )


def _metrics(evidence: Evidence) -> str:
    champion = evidence.judged.champion
    title = f"version {champion.version}" if evidence.champion_metrics else escape(champion.why)
    rows = [
        (
            f"{escape(name)} ({'lower' if name in LOWER_IS_BETTER else 'higher'} is better)",
            _number(value),
            _number(evidence.champion_metrics.get(name)),
        )
        for name, value in evidence.metrics.items()
    ]
    return "<h2>Metrics on the test rows</h2>" + _table(("metric", "new version", title), rows)


def _plots(evidence: Evidence) -> str:
    found = [
        f"<figure><figcaption>{escape(title)}</figcaption><img alt='{escape(title)}' src='{address}'></figure>"
        for title, address in plots(evidence.judged)
    ]
    return f"<h2>Plots</h2><div class='plots'>{''.join(found)}</div>"


def _slices(evidence: Evidence) -> str:
    parts = evidence.slice_rows()
    if not parts:
        return ""
    names = list(parts[0].metrics)
    rows = [
        (escape(part.name), str(part.rows), *(_number(part.metrics[name]) for name in names))
        for part in parts
    ]
    return "<h2>Slices</h2>" + _table(("slice", "rows", *names), rows)


def _cases(evidence: Evidence) -> str:
    if not evidence.cases:
        return "<h2>Cases</h2><p>The pipeline has no cases.yaml.</p>"
    rows = [
        (
            escape(case.name),
            escape(case.kind),
            _mark(case.passed, "holds", "fails"),
            escape(case.complaint),
        )
        for case in evidence.cases
    ]
    return "<h2>Cases</h2>" + _table(("what must hold", "kind", "verdict", "found"), rows)


def _tuning(evidence: Evidence) -> str:
    search, metric = evidence.search, evidence.pinned.definition.tuning.metric
    if not search.trials:
        return "<h2>Tuning</h2><p>No search: tuning.space is empty.</p>"
    rows = [
        (
            f"<code>{escape(str(dict(trial.parameters)))}</code>",
            _number(trial.mean),
            escape(", ".join(f"{value:.4g}" for value in trial.scores)) or escape(trial.failure),
            f"{trial.seconds:.2f}",
            "best" if trial.parameters == search.best else "",
        )
        for trial in search.trials
    ]
    cut = (
        f"<p>Time was up after {len(search.trials)} of {search.planned} combinations.</p>"
        if len(search.trials) < search.planned
        else ""
    )
    return f"<h2>Tuning</h2>{cut}" + _table(
        ("parameters", f"mean {metric}", "per fold", "seconds", ""), rows
    )


def _export(evidence: Evidence) -> str:
    exported, parity = evidence.exported, evidence.exported.parity
    tried = "".join(f"<li>{escape(line)}</li>" for line in exported.tried)
    return (
        f"<h2>Export</h2><p>{escape(exported.signature.format)}; equal to scikit-learn on {parity.rows} held-out and generated rows, "
        f"largest difference {parity.difference:.3g}.</p>"
        + (f"<p>Not taken:</p><ul>{tried}</ul>" if tried else "")
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already: whatever is not ours was escaped where the row was made."""
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{titles}</tr>' if titles else ''}{body}</table>"


def _cell(text: str) -> str:
    numeric = (
        text.replace(".", "", 1)
        .replace("-", "", 2)
        .replace("e", "", 1)
        .replace("+", "", 1)
        .isdigit()
    )
    return f"<td class='n'>{text}</td>" if numeric else f"<td>{text}</td>"


def _mark(good: bool, yes: str, no: str) -> str:
    return f"<span class='good'>{yes}</span>" if good else f"<span class='bad'>{no}</span>"


def _number(value: Any) -> str:
    return "–" if value is None or value != value else f"{value:.5g}"  # noqa: PLR0124 - NaN differs from itself
