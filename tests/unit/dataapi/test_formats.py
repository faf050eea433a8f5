"""Which format an Accept header asks for, and what each looks like."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.dataapi.formats import accepted, encoder
from mlplatform.errors import InvalidInput, UnsupportedMedia

BATCHES = pa.table({"a": [1.5, None, 2.0], "b": ["x", 'y"z', None]}).to_batches(max_chunksize=2)
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(st.one_of(st.sampled_from("=+-@＝＋－＠\t\r\n '\",;"), LETTERS), max_size=8)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "arrow"),
        ("*/*", "arrow"),
        ("text/csv", "csv"),
        ("text/*;q=0.5, application/x-ndjson", "ndjson"),
        ("application/x-ndjson;q=0.1, text/csv;q=0.2", "csv"),
        ("text/csv;q=0, */*;q=0.1", "arrow"),
        ("image/png, TEXT/CSV", "csv"),
    ],
)
def test_the_best_known_format_wins(accept: str | None, kind: str) -> None:
    """Quality decides, then the order; a missing header means Arrow."""
    assert kind == accepted(accept)


@pytest.mark.parametrize("accept", ["application/xml", "text/csv;q=0", "text/csv;q=nonsense"])
def test_no_known_format_is_refused(accept: str) -> None:
    """Nothing is sent that was not asked for."""
    with pytest.raises(UnsupportedMedia):
        accepted(accept)


def test_an_arrow_stream_is_one_stream() -> None:
    """The pieces of all batches and the end make one readable stream of the same rows."""
    to_arrow = encoder("arrow", BATCHES[0].schema)
    data = b"".join([*(to_arrow.batch(batch) for batch in BATCHES), to_arrow.end()])

    assert BATCHES == list(pa.ipc.open_stream(data))


def test_texts_have_one_header_and_all_rows() -> None:
    """CSV has its header once, NDJSON a line per row; null is empty there and null here."""
    to_csv, to_ndjson = encoder("csv", BATCHES[0].schema), encoder("ndjson", BATCHES[0].schema)

    assert b'"a","b"\n1.5,"x"\n,"y""z"\n2,\n' == b"".join(
        [*(to_csv.batch(batch) for batch in BATCHES), to_csv.end()]
    )
    assert b'{"a":1.5,"b":"x"}\n{"a":null,"b":"y\\"z"}\n{"a":2.0,"b":null}\n' == b"".join(
        to_ndjson.batch(batch) for batch in BATCHES
    )


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1.5", "'-1.5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\rx", "'\rx"),
        ("\nx", "'\nx"),
        ("＝1", "'＝1"),
        ('=HYPERLINK("a","b")', """'=HYPERLINK(""a"",""b"")"""),
        ("  =1", "'  =1"),
        ("'=1", "''=1"),
        ("a=1", "a=1"),
        ("x\n=1", "x\n=1"),
        (" x", " x"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_text_for_a_spreadsheet_never_begins_a_formula(
    text: str, cell: str, kind: pa.DataType
) -> None:
    """What a spreadsheet would run gets a quote in front; every other text is as it was."""
    table = pa.table({"a": pa.array([text], kind)})

    assert f'"a"\n"{cell}"\n'.encode() == _csv(table, safe=True)


def test_only_texts_and_names_change_for_a_spreadsheet() -> None:
    """Numbers, truth and null are as always; names are texts too, also above no rows."""
    table = pa.table({"=a": [-1.5, None], "-b": [-1, 2], "c": [True, None], "@d": ["-1", None]})

    assert b'"\'=a","\'-b","c","\'@d"\n-1.5,-1,true,"\'-1"\n,2,,\n' == _csv(table, safe=True)
    assert b'"=a","-b","c","@d"\n-1.5,-1,true,"-1"\n,2,,\n' == _csv(table, safe=False)
    assert b'"\'=a","\'-b","c","\'@d"\n' == _csv(table.slice(0, 0), safe=True)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=10))
def test_dropping_the_first_quote_gives_the_texts_back(rows: list[tuple[str, str]]) -> None:
    """No cell and no name begins a formula, and dropping one quote undoes it."""
    texts = [text for row in rows for text in row]
    table = pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=rows[0])
    read = csv.reader(io.StringIO(_csv(table, safe=True).decode(), newline=""))
    cells = [cell for row in read for cell in row]

    assert [*rows[0], *texts] == [cell.removeprefix("'") for cell in cells]
    assert [] == [cell for cell in cells if cell.lstrip("\t\n\f\r ").startswith(tuple("=+-@"))]
    assert [] == [cell for cell in cells if cell.startswith(("\t", "\r", "\n"))]


@pytest.mark.parametrize("accept", [None, "*/*", "application/x-ndjson"])
def test_only_csv_is_made_for_spreadsheets(accept: str | None) -> None:
    """Another format with `safe` is refused: it would come as it is, and look safe."""
    with pytest.raises(InvalidInput, match="send 'Accept: text/csv'") as caught:
        accepted(accept, "spreadsheet")

    assert "safe" == caught.value.field
    assert "csv" == accepted("text/csv", "spreadsheet")


def _csv(table: pa.Table, *, safe: bool) -> bytes:
    to_csv = encoder("csv", table.schema, "spreadsheet" if safe else None)
    pieces = [to_csv.batch(batch) for batch in table.to_batches(max_chunksize=2) if batch.num_rows]
    return b"".join([*pieces, to_csv.end()])
