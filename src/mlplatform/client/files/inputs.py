"""A file that was named, or standard input: as a stream of plain bytes, or as a plain file."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from mlplatform.client.files.compressed import Unpacked, prove
from mlplatform.client.files.formats import FileKind, Format, kind_of
from mlplatform.errors import InvalidInput, SettingsError

STDIN = "-"
_BUFFER = 256 * 1024


@dataclass(frozen=True)
class InputFile:
    """Where rows come from: `path`, or standard input when it is None."""

    path: Path | None
    kind: FileKind

    @property
    def name(self) -> str:
        """As messages call it."""
        return "standard input" if self.path is None else self.path.name


def input_file(path: Path, *, given: Format | None = None) -> InputFile:
    """The input of that path; `-` is standard input. `given`: its format, see `kind_of`.

    Raises InvalidInput when the format is not known.
    """
    if str(path) != STDIN:
        return InputFile(path, kind_of(path.name, given=given))
    if given is None:
        raise InvalidInput(
            "standard input does not say its format",
            field="--format",
            fix="give --format csv, ndjson, arrow or parquet",
        )
    return InputFile(None, FileKind(given))


def input_files(words: Sequence[str], *, given: Format | None = None) -> list[InputFile]:
    """The inputs of these words, each a path, a pattern (its files sorted by name), or `-`.

    A file that several words name comes once, in the first place. Raises InvalidInput for a pattern
    without files, and as `input_file` does.
    """
    paths = dict.fromkeys(path for word in words for path in _matching(word))
    return [input_file(path, given=given) for path in paths]


def _matching(word: str) -> list[Path]:
    if not glob.has_magic(word) or Path(word).exists():
        return [Path(word)]
    # By name, as text: the order may not hang on the machine, since rows are stored in it.
    # Not Path.glob, which takes no absolute pattern.
    found = sorted(Path(each) for each in glob.glob(word, recursive=True))  # noqa: PTH207
    files = [path for path in found if path.is_file()]
    if not files:
        raise InvalidInput(f"no file is named like '{word}'", field="FILE")
    return files


@contextmanager
def plain_stream(file: InputFile) -> Iterator[BufferedReader]:
    """The unpacked bytes from the first to the last.

    A compressed file is proven whole before its first byte; of standard input the damage shows
    when it is reached. Raises InvalidInput for damage, SettingsError for what can't be read.
    """
    with _opened(file) as packed:
        compression = file.kind.compression
        if compression is None:
            yield packed
            return
        if file.path is not None:
            prove(packed, compression, file.name)
            packed.seek(0)
        yield BufferedReader(Unpacked(packed, compression, file.name), _BUFFER)


@contextmanager
def plain_path(file: InputFile) -> Iterator[Path]:
    """A file with the unpacked bytes, for formats that are not read from front to end.

    What is compressed, or comes from standard input, is written to a temporary file first.
    """
    if file.path is not None and file.kind.compression is None:
        with _opened(file):  # the error is ours, not Arrow's
            pass
        yield file.path
        return
    with plain_stream(file) as stream, tempfile.NamedTemporaryFile() as spooled:
        shutil.copyfileobj(stream, spooled, _BUFFER)
        spooled.flush()
        yield Path(spooled.name)


@contextmanager
def _opened(file: InputFile) -> Iterator[BufferedReader]:
    if file.path is None:
        yield cast("BufferedReader", sys.stdin.buffer)
        return
    try:
        opened: BinaryIO = file.path.open("rb")
    except OSError as error:
        raise SettingsError(f"can't read {file.path}: {error}", field="FILE") from error
    with opened:
        yield cast("BufferedReader", opened)
