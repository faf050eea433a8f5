from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from mlplatform.client import importing
from mlplatform.client.files import pieces
from mlplatform.client.files.inputs import input_file, input_files
from mlplatform.contracts.imports import ImportRefusal, ImportResult
from mlplatform.errors import InvalidInput, SettingsError


class Server:
    """Accepts what a data API would accept, and remembers it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.keys: list[str] = []

    def import_rows(self, _name: str, body: bytes, *, key: str, **_: str) -> ImportResult:
        """Two rows are good, one is not."""
        self.bodies.append(body)
        self.keys.append(key)
        refusal = ImportRefusal(record=1, field="a", reason="no number")
        return ImportResult(
            key=key,
            accepted=2,
            quarantined=1,
            first_reasons=[refusal],
            topic="import:p",
            last_offset=1,
        )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few bytes, so that a small file has several."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 20)


@pytest.mark.usefixtures("small")
def test_csv_is_cut_between_rows(tmp_path: Path) -> None:
    """Each piece of a CSV file begins with the header, and no row is cut.

    Not even one with line breaks in a quoted cell.
    """
    file = tmp_path / "rows.csv"
    rows = [["1", "two\nlines"], ["2", 'a "quoted" word'], ["3", "plain"], ["4", "last"]]
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([["a", "b"], *rows])
    server = Server()
    importing.send_files(server, "p", [input_file(file)], on_progress=lambda _: None)
    parts = [list(csv.reader(io.StringIO(body.decode()))) for body in server.bodies]

    assert len(parts) > 1
    assert {("a", "b")} == {tuple(part[0]) for part in parts}
    assert [row for part in parts for row in part[1:]] == rows


@pytest.mark.usefixtures("small")
def test_lines_are_cut_between_lines(tmp_path: Path) -> None:
    """Pieces of an NDJSON file end with whole lines and together are the file."""
    file = tmp_path / "rows.ndjson"
    file.write_bytes(b"".join(b'{"a": %d}\n' % number for number in range(9)))
    server = Server()
    progress: list[importing.SentRows] = []
    total = importing.send_files(server, "p", [input_file(file)], on_progress=progress.append)

    assert len(server.bodies) > 1
    assert all(body.endswith(b"}\n") for body in server.bodies)
    assert b"".join(server.bodies) == file.read_bytes()
    assert total.accepted == 2 * len(server.bodies)
    assert progress[-1].rows == 3 * len(server.bodies)


@pytest.mark.usefixtures("small")
def test_a_second_try_has_the_same_keys(tmp_path: Path) -> None:
    """The same file sent again has the same keys, so that nothing is stored twice.

    Pieces of equal content have different ones.
    """
    file = tmp_path / "rows.ndjson"
    file.write_bytes(b'{"a": 1, "b": "xx"}\n' * 6)
    first, second = Server(), Server()
    importing.send_files(first, "p", [input_file(file)], on_progress=lambda _: None)
    importing.send_files(second, "p", [input_file(file)], on_progress=lambda _: None)

    assert first.keys == second.keys
    assert len(set(first.keys)) == len(first.keys) > 1


def test_unknown_endings_and_missing_files(tmp_path: Path) -> None:
    """A format that the name does not say, and a file that is not there, are errors."""
    with pytest.raises(InvalidInput, match=r"rows\.xls does not say its format.*\.csv"):
        input_file(tmp_path / "rows.xls")
    with pytest.raises(SettingsError, match=r"can't read .*rows\.csv"):
        importing.send_files(
            Server(), "p", [input_file(tmp_path / "rows.csv")], on_progress=lambda _: None
        )


@pytest.mark.parametrize("piece_bytes", [1, 8 * 1024 * 1024], ids=["cut", "whole"])
def test_csv_is_sent_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    """No byte of a record changes on its way: what is not CSV is for the data API to judge."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", piece_bytes)
    records = [b'"a"b,1\n', b'"x\r\ny",2\r\n', b"\xff,3\n", b"z\xe2\x80\xa8,4,5\n", b'"open,6\n']
    file = tmp_path / "history.csv"
    file.write_bytes(b"name,n\n" + b"".join(records))
    with pieces.open_pieces(input_file(file)) as found:
        sent = [body.removeprefix(b"name,n\n") for body in found.bodies]

    assert (records if piece_bytes == 1 else [b"".join(records)]) == sent


@pytest.mark.usefixtures("small")
def test_records_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    """A reason names the record's place in the whole file, whatever piece it was sent in."""
    file = tmp_path / "rows.ndjson"
    file.write_bytes(b'{"a": 1, "b": "xx"}\n' * 9)
    total = importing.send_files(Server(), "p", [input_file(file)], on_progress=lambda _: None)

    assert [1, 4, 7] == [reason.record for reason in total.first_reasons[:3]]


def test_a_copy_of_a_file_is_refused(tmp_path: Path) -> None:
    """Its rows would be taken for those of the first file, sent again."""
    for name in ("a.ndjson", "b.ndjson"):
        (tmp_path / name).write_bytes(b'{"a": 1}\n')
    files = input_files([str(tmp_path / "*.ndjson")])

    with pytest.raises(InvalidInput, match=r"b\.ndjson holds the same rows as a\.ndjson"):
        importing.send_files(Server(), "p", files, on_progress=lambda _: None)


def test_patterns_are_sorted_and_no_file_comes_twice(tmp_path: Path) -> None:
    """A pattern stands for its files by name; one that matches nothing is refused."""
    for name in ("b.csv", "a.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"a\n1\n")
    (tmp_path / "d.csv").mkdir()
    words = [str(tmp_path / "c.csv"), str(tmp_path / "*.csv")]

    assert ["c.csv", "a.csv", "b.csv"] == [each.name for each in input_files(words)]
    with pytest.raises(InvalidInput, match="no file is named like"):
        input_files([str(tmp_path / "*.parquet")])
