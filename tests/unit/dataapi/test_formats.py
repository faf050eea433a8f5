"""Which format an Accept header asks for, and what each looks like."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mlplatform.dataapi.formats import accepted, encoder
from mlplatform.errors import UnsupportedMedia

BATCHES = pa.table({"a": [1.5, None, 2.0], "b": ["x", 'y"z', None]}).to_batches(max_chunksize=2)


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
