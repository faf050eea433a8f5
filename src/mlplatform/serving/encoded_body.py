"""Bodies that were sent compressed, and the bound that holds before they are unpacked.

A few hundred bytes can unpack to gigabytes. So nothing is unpacked beyond the size that a plain
body may have: that much is at most in memory, whatever the body claims of itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from backports import zstd

from mlplatform.errors import InvalidInput, TooLarge, UnsupportedMedia

HEADER = b"content-encoding"
FIELD = HEADER.decode()
MOST_PARTS = 16
"""A body may be made of several gzip members or zstd frames, as those formats allow. Clients send
one, some tools a few; thousands of empty ones would only cost time."""
_WINDOW_LOG = 23
"""How far back zstd may refer: 8 MiB, the most that RFC 9659 allows over HTTP. It is allocated for
each body, so a head that asks for more is refused."""


class _Unpacker(Protocol):
    """What zlib's and zstd's objects have in common: one of them takes one member or frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip() -> _Unpacker:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate() -> _Unpacker:
    return zlib.decompressobj()


def _zstd() -> _Unpacker:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options)


_UNPACKERS: Mapping[str, Callable[[], _Unpacker]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}


def encoding(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The encoding that the headers name; None when the body is sent as it is.

    Raises UnsupportedMedia for others, and for several, one over the other.
    """
    given = b",".join(value for name, value in headers if name == HEADER).decode("latin-1")
    named = [name for part in given.split(",") if (name := part.strip().lower())]
    named = [name for name in named if name != "identity"]
    if not named:
        return None
    if len(named) > 1 or named[0] not in _UNPACKERS:
        what = "several encodings are" if len(named) > 1 else f"encoding {named[0]!r} is"
        raise UnsupportedMedia(
            f"{what} not supported", field=FIELD, fix="send one of gzip, deflate, zstd, or none"
        )
    return named[0]


def unpacked(body: bytes, name: str, most: int) -> bytes:
    """The body as it was before `name` was applied.

    Raises TooLarge as soon as it shows that there are more than `most` bytes, and InvalidInput for
    one that is damaged, ends too early or is followed by something else.
    """
    parts: list[bytes] = []
    room = most
    for _ in range(MOST_PARTS):
        unpacker = _UNPACKERS[name]()
        try:
            parts.append(unpacker.decompress(body, room + 1))  # one more, to see that it's too many
        except (zlib.error, zstd.ZstdError) as error:
            raise InvalidInput(f"the body is not valid {name}: {error}", field=FIELD) from error
        room -= len(parts[-1])
        if room < 0:
            raise TooLarge(f"the body unpacks to more than {most} bytes", field="body")
        if not unpacker.eof:
            raise InvalidInput(f"the {name} body ends too early", field=FIELD)
        body = unpacker.unused_data
        if not body:
            return b"".join(parts)
    raise InvalidInput(f"the {name} body has more than {MOST_PARTS} parts", field=FIELD)
