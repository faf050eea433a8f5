"""The statements of dataset reads."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some
from psycopg import sql

from mlplatform.contracts.dataset import DatasetColumn, DatasetDescription, DatasetQuery
from mlplatform.database import dataset_sql
from mlplatform.database.dataset_contract import DatasetSource


def _source(*, table: str = "t", pipeline: str = "p") -> DatasetSource:
    return DatasetSource(
        description=DatasetDescription(
            name=f"{pipeline}.features",
            pipeline=pipeline,
            kind="features",
            digest="d",
            columns=(DatasetColumn(name="a", dtype="float64"),),
        ),
        expressions={"a": sql.Identifier("f", "a"), "b": sql.Identifier("f", "b")},
        table=table,
        failure=None,
        time=sql.SQL("f.event_time"),
        order=(sql.SQL("f.request_id"), sql.SQL("f.row")),
    )


def test_a_plain_read_is_one_ordered_select() -> None:
    """Columns, mark and order, nothing else."""
    text = dataset_sql.statement(_source(), DatasetQuery(columns=("b",)), as_of=7)

    assert (
        'SELECT "f"."b" AS "b" FROM features."t" AS f WHERE f.batch <= 7'
        "  ORDER BY f.request_id, f.row" == text
    )


def test_a_limited_read_takes_the_latest_and_orders_them_again() -> None:
    """The inner select keeps the latest rows, the outer one gives order and columns."""
    text = " ".join(
        dataset_sql.statement(_source(), DatasetQuery(columns=("a",), limit=5), as_of=7).split()
    )

    assert "ORDER BY f.event_time DESC, f.request_id DESC, f.row DESC LIMIT 5" in text
    assert text.startswith('SELECT "a" FROM (')
    assert text.endswith('ORDER BY "__0", "__1"')


def test_times_without_a_zone_mean_utc() -> None:
    """A bound without a zone is the same as one in UTC."""
    naive = DatasetQuery(since=datetime(2026, 1, 1))  # noqa: DTZ001
    zoned = DatasetQuery(since=datetime(2026, 1, 1, tzinfo=UTC))

    assert dataset_sql.statement(_source(), naive, as_of=1) == dataset_sql.statement(
        _source(), zoned, as_of=1
    )


@given(
    name=some.text(some.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
)
def test_names_can_not_leave_their_quotes(name: str) -> None:
    """Whatever a table is called, its quotes are doubled, so that it stays one identifier."""
    text = dataset_sql.statement(_source(table=name), DatasetQuery(columns=("a",)), as_of=1)
    start = text.index('features."') + len("features.")

    assert text[start:].startswith('"' + name.replace('"', '""') + '" AS f WHERE')
