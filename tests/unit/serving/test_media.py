"""Which content types each dialect reads."""

from __future__ import annotations

import pytest

from mlplatform.errors import UnsupportedMedia
from mlplatform.serving import media
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS
from mlplatform.serving.request import Route


def reader(dialect: str, kind: str | None) -> str:
    """The dialect that reads a body of that content type, on a path of `dialect`."""
    headers = {} if kind is None else {b"content-type": kind.encode("latin-1")}
    return media.reading(Route("ward", None, dialect), headers).dialect


@pytest.mark.parametrize("dialect", [INFERENCE, KSERVE, MLFLOW, ROWS])
@pytest.mark.parametrize(
    "kind", [None, "application/json", "Application/JSON;charset=utf-8", "application/json;"]
)
def test_every_dialect_reads_json(dialect: str, kind: str | None) -> None:
    """Which is also what a body without a type is."""
    assert dialect == reader(dialect, kind)


@pytest.mark.parametrize(
    "kind", ["text/csv", "text/csv; charset=UTF-8", 'TEXT/CSV; header=present; charset="utf-8"']
)
def test_mlflow_also_reads_csv(kind: str) -> None:
    """With a header and in UTF-8."""
    assert MLFLOW_CSV == reader(MLFLOW, kind)


@pytest.mark.parametrize("kind", ["pandas-split", "pandas-records"])
def test_formats_of_earlier_clients_of_mlflow_are_known(kind: str) -> None:
    """Their bodies are recognized by what they hold."""
    assert MLFLOW == reader(MLFLOW, f"application/json; format={kind}")


@pytest.mark.parametrize(
    ("dialect", "kind", "detail"),
    [
        (ROWS, "text/csv", "'text/csv' is not supported .*send application/json"),
        (KSERVE, "text/csv", "'text/csv' is not supported"),
        (MLFLOW, "text/plain", "send application/json or text/csv"),
        (MLFLOW, "application/vnd.apache.parquet", "parquet' is not supported"),
        (MLFLOW, "text/csv; charset=latin-1", "'charset=latin-1' is not supported"),
        (MLFLOW, "text/csv; header=absent", "CSV begins with a header"),
        (MLFLOW, "application/json; format=pandas-index", "'format=pandas-index'"),
        (MLFLOW, "application/json; nonsense", "'nonsense' is not supported"),
        (MLFLOW, "\xff", "is not supported"),
    ],
)
def test_what_nobody_reads_is_refused(dialect: str, kind: str, detail: str) -> None:
    """The refusal names the type or parameter, and what can be sent."""
    with pytest.raises(UnsupportedMedia, match=detail) as caught:
        reader(dialect, kind)
    assert "content-type" == caught.value.field
