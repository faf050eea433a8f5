"""Columns that are never stored as they are: no file of a whole platform holds their values."""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(900)

SECRET = "Zq7-NEVER-STORED"  # every redacted value begins with it
PLAIN = "Zq7-may-be-stored"
FILES = {
    "pipeline.yaml": """\
name: visits
description: Will somebody come to the appointment?
task: classification
columns:
  - {name: insurance, dtype: string}
  - {name: note, dtype: string}
  - {name: city, dtype: string, nullable: true}
  - {name: days, dtype: float64, min: 0, max: 100}
target: {name: came, dtype: string, values: ["no", "yes"]}
key: patient
redact: {insurance: hash, note: drop, patient: hash}
validation: {min_rows: 50, max_null_share: 1, max_quarantined_share: 0.5}
tuning: {metric: roc_auc}
gates:
  - {metric: roc_auc, min: 0.9}
approval: auto
""",
    "model.py": """\
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def build(parameters):
    hot = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("text", hot, ["insurance"]), ("days", "passthrough", ["days"])])
    return Pipeline([("columns", columns), ("model", LogisticRegression())])
""",
}


def _row(insurance: str, number: int, **changes: Any) -> dict[str, Any]:
    return {
        "insurance": f"{SECRET}-{insurance}",
        "note": f"{SECRET} note {number}",
        "city": PLAIN,
        "days": number % 30,
        "patient": f"{SECRET}-patient-{number}",
        **changes,
    }


@pytest.fixture
def redacting(make_stack: Callable[[Path], Any], homes: Path) -> Iterator[Any]:
    """A platform whose one pipeline redacts, with a version that was trained on an import."""
    folder = homes / "redacting"
    pipeline = folder / "pipelines" / "visits"
    pipeline.mkdir(parents=True)
    for name, text in FILES.items():
        (pipeline / name).write_text(text)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "visits"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    stack = make_stack(homes / "redacting-home")
    try:
        stack.up("--source", str(folder), "--no-tour")
        stack.cli("apply", "visits")
        stack.json("import", "visits", str(_history(homes / "history.csv")))
        stack.json("train", "visits")
        yield stack
    finally:
        stack.end()


def _history(path: Path) -> Path:
    draw = random.Random(7)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*_row("good", 0), "came"])
        writer.writeheader()
        for number in range(400):
            insurance = draw.choice(["good", "bad"])
            row = _row(insurance, number)
            writer.writerow({**row, "came": "yes" if insurance == "good" else "no"})
        # One that etl puts into quarantine, and one that is no row.
        writer.writerow({**_row("good", 400, days=-1), "came": "no"})
        file.write(f"{SECRET} alone\n")
    return path


def test_no_file_of_the_platform_holds_a_value(redacting: Any, wait: Callable[..., Any]) -> None:
    """Sent by every door; the model's answer depended on the hash, as it was trained to."""
    tokens = json.loads((redacting.home / "secrets" / "tokens.json").read_text())
    url = redacting.summaries[-1]["urls"]
    with httpx.Client(headers={"Authorization": f"Bearer {tokens['client']}"}) as http:
        wait(lambda: 200 == http.get(f"{url['serving']}/v2/models/visits/ready").status_code)
        answers = _predict(http, url["serving"])
        _bring_in(http, url["dataapi"])
    _correct(redacting, wait)
    balance = redacting.json("balance", ok=False)
    wait(lambda: not redacting.json("status", ok=False).get("waiting"))
    redacting.end()

    assert [("yes", "no")] * len(answers) == answers
    assert balance
    assert _holding(redacting.home, PLAIN), "the search finds what is stored"
    assert [] == _holding(redacting.home, SECRET)


def _predict(http: httpx.Client, url: str) -> list[tuple[str, str]]:
    """What each dialect answers for a patient of either insurance."""
    rows = [_row("good", 3), _row("bad", 3)]
    names = list(rows[0])
    tensors = [
        {
            "name": name,
            "datatype": "FP64" if name == "days" else "BYTES",
            "shape": [2],
            "data": [float(row[name]) if name == "days" else row[name] for row in rows],
        }
        for name in names
    ]
    table = {"columns": names, "data": [list(row.values()) for row in rows]}
    lines = [",".join(names), *(",".join(map(str, row.values())) for row in rows)]
    packed = gzip.compress(json.dumps({"rows": rows}).encode())
    sent: list[tuple[str, dict[str, Any]]] = [
        ("/v1/models/visits/predict", {"json": {"rows": rows}}),
        ("/v1/models/visits/predict", {"content": packed, "headers": {"content-encoding": "gzip"}}),
        (
            "/v1/models/visits/predict",
            {"json": {"columns": {name: [row[name] for row in rows] for name in names}}},
        ),
        ("/v2/models/visits/infer", {"json": {"inputs": tensors}}),
        ("/v1/models/visits:predict", {"json": {"instances": rows}}),
        ("/models/visits/invocations", {"json": {"dataframe_split": table}}),
        (
            "/models/visits/invocations",
            {"content": "\n".join(lines), "headers": {"content-type": "text/csv"}},
        ),
    ]
    answers = []
    for path, options in sent:
        found = http.post(url + path, **options)
        assert 200 == found.status_code, (path, found.text)
        document = found.json()
        values = document.get("predictions") or document["outputs"][0]["data"]
        answers.append(tuple(values))
    for row in ({**rows[0], "days": SECRET}, {**rows[0], "days": -5}, {**rows[0], SECRET: 1}):
        http.post(f"{url}/v1/models/visits/predict", json={"rows": [row]})
    return answers


def _bring_in(http: httpx.Client, url: str) -> None:
    """Rows and labels that are good, and some that are not."""
    rows = [_row("good", 500, came="yes"), _row("bad", 501, came="no", days=PLAIN)]
    lines = [*map(json.dumps, rows), f'{{"insurance": "{SECRET}"', f'["{SECRET}"]']
    path = f"{url}/v1/datasets/visits.requests/rows"
    for body, kind in (
        ("\n".join(lines), "application/x-ndjson"),
        (f"{SECRET},{SECRET}\n{SECRET},1\n", "text/csv"),
    ):
        found = http.post(path, content=body.encode(), headers={"content-type": kind})
        assert found.status_code in (200, 422), found.text
    labels = [{"pipeline": "visits", "label": "yes", **rows[0]}, SECRET, {"label": rows}]
    found = http.post(f"{url}/v1/feedback?pipeline=visits", json={"labels": labels})
    assert 3 == len(found.json()["refused"]), found.text


def _correct(stack: Any, wait: Callable[..., Any]) -> None:
    """A quarantined row gets another number and another text."""
    entry = wait(
        lambda: [
            each
            for each in stack.json("quarantine", "list", "visits")["entries"]
            if each["kind"] == "row" and each["column_name"] == "days"
        ]
    )[0]
    words = ("--set", "days=5", "--set", f"insurance={SECRET}-good", "--why", "a typo")
    stack.cli("quarantine", "correct", str(entry["id"]), *words)


def _holding(home: Path, text: str) -> list[str]:
    """The files below a folder that hold these bytes."""
    return [
        str(path.relative_to(home))
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    ]
