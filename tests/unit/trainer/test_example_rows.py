"""What example rows say about a model's columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.errors import InvalidInput
from mlplatform.trainer.example_rows import read


def test_types_nulls_and_categories_come_from_the_rows(tmp_path: Path) -> None:
    """A column of few texts takes only those; a number that is missing once may be null."""
    file = tmp_path / "rows.csv"
    file.write_text("age,bmi,city,smoker,sick\n52,27.5,Bern,True,1\n41,,Basel,False,0\n")

    found = read(file, "sick")

    assert [
        ("age", "int64", False, None),
        ("bmi", "float64", True, None),
        ("city", "string", False, ("Basel", "Bern")),
        ("smoker", "bool", False, None),
    ] == [(each.name, each.dtype, each.nullable, each.values) for each in found.columns]
    assert found.labels is not None
    assert [1, 0] == found.labels.tolist()


def test_without_the_target_there_are_no_labels(tmp_path: Path) -> None:
    """Rows to predict need none."""
    file = tmp_path / "rows.csv"
    file.write_text("age\n52\n41\n")

    assert read(file, "sick").labels is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Age\n1\n2\n", "can't be called 'Age'"),
        ("label\n1\n2\n", "can't be called 'label'"),
        ("age\n1\n", "has 1 rows"),
        ("age,bmi\n1,\n2,\n", "column bmi holds no value"),
        ("", "is not a CSV file"),
    ],
)
def test_rows_that_say_too_little_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message names the column, or what the file lacks."""
    file = tmp_path / "rows.csv"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=said):
        read(file, "sick")
