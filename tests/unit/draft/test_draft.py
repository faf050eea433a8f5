"""What `new` finds in a file, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from mlplatform.draft.make import Draft, draft, write
from mlplatform.draft.plan import Choice
from mlplatform.draft.texts import typed
from mlplatform.errors import InvalidInput, Refused
from mlplatform.source.pipeline_files import read

ROWS = 300


def _shop(**more: object) -> pd.DataFrame:
    """Rows of which amount follows from size and colour, more or less."""
    draw = np.random.default_rng(3)
    size, colour = draw.normal(10, 3, ROWS), draw.choice(["red", "blue"], ROWS)
    amount = 3 * size + 10 * (colour == "red") + draw.normal(0, 5, ROWS)
    return pd.DataFrame({"size": size, "colour": colour, "amount": amount} | more)


def _drafted(table: pd.DataFrame, folder: Path, choice: Choice | None = None) -> Draft:
    file = folder / "shop.csv"
    table.to_csv(file, index=False)
    return draft("shop", file, choice or Choice(target="amount"), lambda *_: None)


def _finding(made: Draft, column: str) -> str:
    (found,) = [line for line in made.findings if line.startswith(f"{column}: ")]
    return found


def test_each_format_gives_the_same_pipeline(tmp_path: Path) -> None:
    """CSV, packed or not, Parquet, NDJSON and Arrow of one table: equal columns and bounds."""
    table = _shop(items=np.arange(ROWS) % 7, express=np.arange(ROWS) % 3 == 0)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_csv(tmp_path / "t.csv.gz", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_json(tmp_path / "t.ndjson", orient="records", lines=True, double_precision=15)
    pa.feather.write_feather(arrow, str(tmp_path / "t.feather"))
    with pa.ipc.new_stream(tmp_path / "t.arrow", arrow.schema) as writer:
        writer.write_table(arrow)
    names = ("t.csv.gz", "t.csv", "t.parquet", "t.ndjson", "t.feather", "t.arrow")
    made = [
        draft("shop", tmp_path / each, Choice(target="amount"), lambda *_: None) for each in names
    ]
    texts = {
        each.files["pipeline.yaml"].replace(name, "t")
        for each, name in zip(made, names, strict=True)
    }

    assert 1 == len(texts)
    assert "{name: items, dtype: int64, " in texts.pop()


def test_names_are_made_plain(tmp_path: Path) -> None:
    """What can't be a column's name becomes one, the same for `--target`; reserved words too."""
    table = _shop().rename(columns={"size": "Size (cm)", "colour": "label", "amount": "Amount"})
    made = _drafted(table, tmp_path, Choice(target="Amount"))

    assert ["size_cm", "label_value"] == [column.name for column in made.plan.columns]
    assert "names were made plain (Amount is amount, Size (cm) is size_cm" in made.findings[0]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pd.Series(["same"] * ROWS), "is always the same"),
        (pd.Series(np.full(ROWS, np.nan)), "is empty"),
        (pd.Series(np.arange(ROWS)), "numbers the rows"),
        (pd.Series([f"order {at}" for at in range(ROWS)]), "has another text in nearly every row"),
        (pd.Series(["7"] * 290 + ["?"] * 5 + ["8"] * 5), "mixed types, numbers and '?'"),
    ],
)
def test_what_will_hurt_is_said(column: pd.Series[str], says: str, tmp_path: Path) -> None:
    """One sentence that names the column; the pipeline is written all the same, and is sound."""
    made = _drafted(_shop(strange=column), tmp_path)
    write(made, tmp_path / "pipelines" / "shop")

    assert says in _finding(made, "strange")
    assert "strange" in {
        column.name for column in read(tmp_path / "pipelines" / "shop").definition.columns
    }


def test_a_column_that_gives_the_target_away_is_named(tmp_path: Path) -> None:
    """A price with tax says all about the price without."""
    table = _shop()
    made = _drafted(table.assign(with_tax=table["amount"] * 1.2), tmp_path)

    assert "it alone predicts amount nearly always" in _finding(made, "with_tax")


def test_a_class_with_few_rows_is_named(tmp_path: Path) -> None:
    """Its name and count."""
    table = _shop(kind=["usual"] * 295 + ["rare"] * 5)
    made = _drafted(table, tmp_path, Choice(target="kind"))

    assert "kind: only 5 of 300 rows are rare" in made.findings[0]


def test_rows_with_a_time_are_split_by_it(tmp_path: Path) -> None:
    """The only column of times is the row's time, unless it is always the same."""
    days = pd.Series(pd.date_range("2026-01-01", periods=ROWS).strftime("%Y-%m-%d"))
    by_time = _drafted(_shop(bought=days), tmp_path)
    always = _drafted(_shop(bought="2026-01-01"), tmp_path)

    assert "time: bought\n" in by_time.files["pipeline.yaml"]
    assert "by: time" in by_time.files["pipeline.yaml"]
    assert "by: random" in always.files["pipeline.yaml"]
    assert "always the same time" in _finding(always, "bought")


def test_what_it_cannot_tell_is_asked(tmp_path: Path) -> None:
    """Which of two times counts, and whether whole numbers are classes."""
    days = pd.Series(pd.date_range("2026-01-01", periods=ROWS).strftime("%Y-%m-%d"))
    table = _shop(bought=days, paid=days, stars=np.arange(ROWS) % 5)
    table.to_csv(tmp_path / "shop.csv", index=False)
    asked: list[str] = []

    def choose(prompt: str, choices: Sequence[str]) -> str:
        asked.append(prompt)
        return choices[1]

    made = draft("shop", tmp_path / "shop.csv", Choice(target="stars"), choose)

    assert 2 == len(asked)
    assert ("paid", "regression") == (made.plan.time and made.plan.time.name, made.plan.task)


def test_an_id_becomes_the_key(tmp_path: Path) -> None:
    """A column whose name and values say so; it is no feature."""
    made = _drafted(_shop(order_id=[f"o{at}" for at in range(ROWS)]), tmp_path)

    assert "key: order_id\n" in made.files["pipeline.yaml"]
    assert "order_id" not in made.files["model.py"]


def test_texts_that_are_null_get_a_word(tmp_path: Path) -> None:
    """features.py writes it, since a model file takes no null texts."""
    made = _drafted(_shop(region=["north", None, "south"] * 100), tmp_path)

    assert '"region": _worded(columns["region"]),' in made.files["features.py"]
    assert "values: [north, south]" in made.files["pipeline.yaml"]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice(target="amuont"), "--target: there is no column 'amuont' (one of size, colour"),
        (Choice(target="amount", key="nr"), "--key: there is no column 'nr'"),
        (Choice(target="amount", time="colour"), "--time: 'blue' is not a time"),
        (Choice(target="amount", task="classification"), "--task: 'amount' holds numbers that"),
        (Choice(target="colour", task="regression"), "--task: a regression can't predict string"),
        (Choice(target="same"), "--target: 'same' holds fewer than two values"),
        (Choice(target="each"), "--target: 'each' holds 300 values, too many for classes"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(choice: Choice, says: str, tmp_path: Path) -> None:
    """The option is named, and what would do."""
    table = _shop(same=1, each=[f"x{at}" for at in range(ROWS)])
    with pytest.raises(InvalidInput) as refused:
        _drafted(table, tmp_path, choice)

    assert str(refused.value).startswith(says)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.xlsx", b"PK", "the name of t.xlsx does not say its format"),
        ("t.csv", b"a,b\n", "holds no rows"),
        ("t.csv", b"a,a\n1,2\n", "the file has the column 'a' twice"),
        ("t.csv", b"a,b\n1\n", "can't read"),
        ("t.parquet", b"PAR1 not", "t.parquet is not a whole Parquet file"),
        ("t.ndjson", b'{"a": [1, 2]}\n', "column 'a' holds list"),
        ("t.ndjson", b"{a: 1}\n", "line 1 is not JSON"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    """The reason, and nothing is written."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        draft("shop", tmp_path / name, Choice(target="a"), lambda *_: None)

    assert says in str(refused.value)


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    """Somebody has worked on it."""
    made = _drafted(_shop(), tmp_path)
    write(made, tmp_path / "shop")

    with pytest.raises(Refused, match="is there already"):
        write(made, tmp_path / "shop")


def test_flags_and_dates_of_every_format_are_taken_as_such(tmp_path: Path) -> None:
    """Dates are times in NDJSON as in CSV, a bool is a class of two, and the cases are sound."""
    days = pd.date_range("2026-01-01", periods=ROWS).strftime("%Y-%m-%d")
    table = _shop(bought=days, paid=np.arange(ROWS) % 2 == 0)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_json(tmp_path / "t.ndjson", orient="records", lines=True)
    for number, name in enumerate(("t.csv", "t.ndjson")):
        made = draft("shop", tmp_path / name, Choice(target="paid"), lambda *_: None)
        write(made, tmp_path / str(number) / "shop")

        assert ("classification", "bool") == (made.plan.task, made.plan.target.kind)
        assert "time: bought\n" in made.files["pipeline.yaml"]


def test_seconds_are_times_when_somebody_says_so(tmp_path: Path) -> None:
    """The latest rows are held out by number."""
    made = _drafted(_shop(at=1.7e9 + np.arange(ROWS)[::-1]), tmp_path, Choice("amount", time="at"))

    assert "by: time" in made.files["pipeline.yaml"]
    assert set(range(ROWS // 4)) == set(made.found.at.tolist())


def test_target_key_and_time_are_different_columns(tmp_path: Path) -> None:
    """Nothing is written."""
    with pytest.raises(InvalidInput, match="name three different columns"):
        _drafted(_shop(), tmp_path, Choice("amount", key="amount"))


def test_a_column_of_many_texts_is_read_once(tmp_path: Path) -> None:
    """A hundred thousand different texts: what is read of each is looked up, not searched."""
    texts = np.array([f"text {at}" for at in range(100_000)], np.object_)
    kind, cells, odd = typed(texts)

    assert ("string", 100_000, ()) == (kind, len(cells), odd)
