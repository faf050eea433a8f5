"""gzip and zstd, unpacked as a stream: a file of any size needs little memory."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO

from mlplatform.client.files import extras
from mlplatform.client.files.formats import Compression
from mlplatform.errors import InvalidInput

PROOF_BYTES = 1024 * 1024


class Unpacked(io.RawIOBase):
    """What a compressed stream holds, to be read from its beginning to its end.

    Reading raises InvalidInput where it is damaged or ends too early.
    """

    def __init__(self, packed: BinaryIO, compression: Compression, name: str) -> None:
        self._name = name
        self._compression = compression
        self._bytes = 0
        self._faults: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
        self._file: Any
        if compression == "gzip":
            self._file = gzip.GzipFile(fileobj=packed)
        else:
            zstd = extras.zstd(name)
            self._faults += (zstd.ZstdError,)
            self._file = zstd.ZstdFile(packed)

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase."""
        try:
            found: int = self._file.readinto(buffer)
        except self._faults as error:
            early = isinstance(error, EOFError)
            raise InvalidInput(
                f"{self._name} {'ends too early' if early else 'is damaged'}, "
                f"after {self._bytes:,} bytes of what it unpacks to",
                field="FILE",
                fix=f"get it again; `{self._tool} -t` tests it",
            ) from error
        self._bytes += found
        return found

    @property
    def _tool(self) -> str:
        return self._compression


def prove(packed: BinaryIO, compression: Compression, name: str) -> None:
    """Unpack all of it, and keep nothing. Raises InvalidInput as `Unpacked` does.

    A wrong byte may show only in the checksum behind the last one. A few seconds for gigabytes are
    less than an import of rows that nobody wrote.
    """
    unpacked, buffer = Unpacked(packed, compression, name), bytearray(PROOF_BYTES)
    while unpacked.readinto(buffer):
        pass
