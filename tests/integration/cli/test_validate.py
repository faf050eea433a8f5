"""`mlplatform validate`: what a person or CI is told about pipelines, without a platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlplatform.cli.commands import COMMANDS
from mlplatform.cli.lazy import lazy_app
from mlplatform.errors import UnknownName

ROWS = [{"size": at % 9, "cost": 3.0 * (at % 9) + at % 2} for at in range(80)]
YAML = """\
name: shop
description: Says what an order costs.
task: regression
columns: [{name: size, dtype: int64, min: 0, max: 9}]
target: {name: cost, dtype: float64}
tuning: {metric: r2, space: {alpha: [0.1, 1.0]}}
gates: [{metric: r2, min: 0.1}]
"""
MODEL = """\
from sklearn.linear_model import Ridge


def build(parameters):
    return Ridge(alpha=parameters["alpha"])
"""
CASES = """\
rows: {small: {size: 1}}
cases: [{name: a small one is cheap, kind: bounds, row: small, max: 9}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one pipeline, and rows beside it; the command runs there."""
    monkeypatch.chdir(tmp_path)
    shop = tmp_path / "pipelines" / "shop"
    shop.mkdir(parents=True)
    for name, text in (("pipeline.yaml", YAML), ("model.py", MODEL), ("cases.yaml", CASES)):
        (shop / name).write_text(text)
    (tmp_path / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def _run(*words: str) -> Result:
    return CliRunner().invoke(lazy_app(COMMANDS, no_args_is_help=True), ["validate", *words])


def _replace(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / "pipelines" / "shop" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_files_alone_are_tried(folder: Path) -> None:
    """Without rows: the files and what model.py builds."""
    ended = _run()

    assert (0, "") == (ended.exit_code, ended.stderr)
    assert "ok      shop: the files are sound" in ended.stdout


def test_rows_make_a_model(folder: Path) -> None:
    """With rows: a document with format and figures, and the end of a good CI job."""
    ended = _run("shop", "--rows", "rows.ndjson", "--json")
    (found,) = json.loads(ended.stdout)

    assert (0, "ok") == (ended.exit_code, found["state"])
    assert found["detail"].startswith("80 rows, served as onnx, r2 0.9")


def test_a_target_of_flags_is_judged_as_in_a_training(folder: Path) -> None:
    """True and false are classes: a model that knows them is right."""
    for change in (
        ("pipeline.yaml", "task: regression", "task: classification"),
        ("pipeline.yaml", "name: cost, dtype: float64", "name: dear, dtype: bool"),
        ("pipeline.yaml", "metric: r2, space: {alpha: [0.1, 1.0]}", "metric: accuracy"),
        ("pipeline.yaml", "metric: r2, min: 0.1", "metric: accuracy, min: 0.5"),
        ("model.py", 'Ridge(alpha=parameters["alpha"])', "LogisticRegression()"),
        ("model.py", "import Ridge", "import LogisticRegression"),
        (
            "cases.yaml",
            "kind: bounds, row: small, max: 9",
            "kind: exact, row: small, expect: false",
        ),
    ):
        _replace(folder, *change)
    rows = [{"size": row["size"], "dear": row["size"] > 4} for row in ROWS]
    (folder / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = _run("shop", "--rows", "rows.ndjson", "--json")

    assert "served as onnx, accuracy 1," in json.loads(ended.stdout)[0]["detail"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("pipeline.yaml", "task: regression", "task: guess"), "pipeline.yaml, line 3"),
        (("model.py", 'alpha=parameters["alpha"]', 'beta=parameters["alpha"]'), "model.py: build("),
        (("pipeline.yaml", "max: 9}", "max: 7}"), "would put 8 values into quarantine: row 8, col"),
        (("cases.yaml", "max: 9", "max: 1"), "1 cases fail, first 'a small one is cheap'"),
        (("pipeline.yaml", "name: cost", "name: price"), "no row has a price"),
    ],
)
def test_a_fault_ends_it_with_one(change: tuple[str, str, str], says: str, folder: Path) -> None:
    """The file, the row or the case is named."""
    _replace(folder, *change)
    ended = _run("shop", "--rows", "rows.ndjson")

    assert 1 == ended.exit_code
    assert says in ended.stdout
    assert ended.stdout.startswith("failed")


def test_features_py_is_tried_in_a_child(folder: Path) -> None:
    """One that breaks for a row of the file is refused with the line."""
    (folder / "pipelines/shop/features.py").write_text(
        "def engineer(columns):\n    if (columns['size'] == 8).any():\n"
        "        raise ValueError('8')\n"
        "    return {'size': columns['size']}\n"
    )
    ended = _run("shop", "--rows", "rows.ndjson")

    assert 1 == ended.exit_code
    assert "features.py, line 3: ValueError: 8" in ended.stdout


def test_rows_of_several_pipelines_need_a_name(folder: Path) -> None:
    """Nobody can tell which one they are for."""
    other = folder / "pipelines" / "other"
    other.mkdir()
    (other / "pipeline.yaml").write_text(YAML)
    ended = _run("--rows", "rows.ndjson")

    assert isinstance(ended.exception, UnknownName)
    assert "name the one that the rows are for" in str(ended.exception)
