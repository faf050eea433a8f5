"""The page in docs that says what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serving_peers.goals import Goal, goals
from serving_peers.results import CELLS, Measured, Results, Started, median

PLOT = "serving-benchmark.svg"
_HEAD = """# Serving beside its peers

Our server and others, measured by `make bench-serving` in interleaved rounds on one machine, the
load driver included. Ours (`mlplatform serve`) does everything that it does in production: it
validates every value, checks a bearer token, keeps metrics, and has the request with its answer on
disk before it answers.
Peers keep no log. All serve the same models, and every answer under load is compared, byte for
byte, with one that was found equal to scikit-learn's.

"""
_NONE = "No run is recorded yet: the first on a quiet machine replaces this page.\n\n"
_HOW = """## How it is measured

A closed loop: so many connections, each of which sends its next request when the last is answered.
`1 x 64` means one row in a request and 64 connections. Each server is started anew in every round
and asked in the dialect that costs it least (ours in each of its own). Peers answer the prediction;
ours also the probabilities. Three models: `linear` (30 floats, logistic regression), `boosting` (20
floats, 100 trees, a number) and `forest` (13 columns of numbers, texts and bools, 100 trees).
Processor time and memory are those of a server's whole process tree; memory that processes share
counts once. A cold start lasts from the start of the process to its first prediction.

The peers: MLServer with the runtime for scikit-learn as it is installed (but `uvloop<0.22`, as its
workers end with later versions), and *tuned*: httptools, no worker processes, one thread, metrics
page and debug off; BentoML, LitServe and KServe with one worker and without a batching window,
which makes few callers slower; `mlflow models serve`. The references are bare ASGI under uvicorn
with httptools and uvloop, without validation: one runs our ONNX file, one always sends the same
answer, and one does so after it has written the request to the disk and synced it, on the event
loop and one request at a time. What that one does at `1 x 1` is all that a server which keeps every
request can do on the disk of this machine.

    make bench-serving                       # all of it; under 30 minutes on two cores
    make bench-serving ROUNDS=1              # under 8 minutes
    make bench-serving ARGS="--servers mlplatform --models linear"

"""


def page(results: Results) -> str:
    """All of it, in Markdown."""
    parts = [_HEAD, *(_figures(results) if results.loads else [_NONE]), _HOW]
    if results.machine:
        machine = [list(one) for one in results.machine.items()]
        parts += ["## Measured on\n\n", _table(["", ""], machine)]
    return "".join(parts).rstrip() + "\n"


def _figures(results: Results) -> list[str]:
    return [
        f"![Requests a second of each server]({PLOT})\n\n",
        "## Goals\n\n" + _goals(goals(results)),
        *(f"## {model}\n\n" + _rates(results, model) for model in results.models()),
        "## Our dialects\n\nRequests a second.\n\n" + _dialects(results),
        "## Start and memory\n\n" + _starts(results),
        _omitted(results),
    ]


def _goals(found: Sequence[Goal]) -> str:
    rows = [
        [
            one.name,
            *(_figure(one, value) for value in (one.value, one.must, one.target)),
            one.verdict,
        ]
        for one in found
    ]
    return _table(["", "found", "must", "target", "reached"], rows)


def _figure(goal: Goal, value: float | None) -> str:
    if value is None:
        return "-"
    text = f"{value:,.0f}" if value >= 100 or not goal.unit else f"{value:.2f}"
    return f"{text} {goal.unit}".rstrip() if goal.unit != "x" else text


def _rates(results: Results, model: str) -> str:
    """Requests a second, p99 and processor time per request."""
    cells = [str(cell) for cell in CELLS]
    rows = []
    for server in results.servers():
        found = [results.best(server, model, cell) for cell in cells]
        if any(found):
            rows.append([server, *map(_load, found), *map(_cpu, found)])
    heads = [f"{cell}: requests/s (p50; p99 ms)" for cell in cells]
    return _table(["server", *heads, *(f"{cell}: CPU us" for cell in cells)], rows)


def _load(found: Sequence[Measured]) -> str:
    if not found:
        return "-"
    rate, p50, p99 = (median(found, of) for of in (_rate, _p50, _p99))
    return f"{rate:,.0f} ({p50:.2f}; {p99:.2f})"


def _cpu(found: Sequence[Measured]) -> str:
    return f"{median(found, lambda one: one.cpu_us):,.0f}" if found else "-"


def _dialects(results: Results) -> str:
    cells, rows = [str(cell) for cell in CELLS], []
    ours = list(dict.fromkeys(one.server for one in results.loads if one.kind == "ours"))
    for server in ours:
        for model in results.models():
            names = dict.fromkeys(one.dialect for one in results.loads if one.server == server)
            for name in names:
                found = [results.of(server, model, cell, name) for cell in cells]
                if any(found):
                    rates = [f"{median(one, _rate):,.0f}" if one else "-" for one in found]
                    rows.append([model, name, *rates])
    return _table(["model", "dialect", *cells], rows)


def _starts(results: Results) -> str:
    rows = []
    for server in dict.fromkeys(one.server for one in results.starts):
        found = [one for one in results.starts if one.server == server]
        cold, idle, loaded = (median(found, of) for of in (_cold, _idle, _loaded))
        rows.append([server, f"{cold:.2f}", f"{idle:,.0f}", f"{loaded:,.0f}"])
    return _table(["server", "cold start s", "memory idle MiB", "after load MiB"], rows)


def _omitted(results: Results) -> str:
    """Servers that were left out, and answers that were not right."""
    lines = [f"- {name}: {_short(why)}" for name, why in results.excluded.items()]
    wrong = [one for one in results.loads if one.failed or one.differing]
    lines += [
        f"- {one.server}, {one.model}, {one.cell}: {one.failed} failed and {one.differing} other "
        f"answers of {one.answers + one.failed + one.differing}: {_short(one.complaint)}"
        for one in wrong
    ]
    return "## Left out, or wrong\n\n" + "\n".join(lines) + "\n\n" if lines else ""


def _short(text: str) -> str:
    return f"`{' '.join(text.split())[:160]}`".replace("|", "/")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("--:" for _ in head[1:])]
    lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
    return "\n".join(lines) + "\n\n"


def _rate(one: Measured) -> float:
    return one.rate


def _p50(one: Measured) -> float:
    return one.p50_ms


def _p99(one: Measured) -> float:
    return one.p99_ms


def _cold(one: Started) -> float:
    return one.cold_start_s


def _idle(one: Started) -> float:
    return one.idle_mib


def _loaded(one: Started) -> float:
    return one.loaded_mib
