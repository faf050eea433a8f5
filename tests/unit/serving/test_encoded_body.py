"""Compressed bodies: unpacked within the limit, or refused."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as some

from mlplatform.errors import InvalidInput, TooLarge, UnsupportedMedia
from mlplatform.serving.encoded_body import MOST_PARTS, encoding, unpacked

Pack = Callable[[bytes], bytes]
PACKERS: dict[str, Pack] = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
BOTH = pytest.mark.parametrize(("name", "pack"), PACKERS.items())


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([b""], None),
        ([b"identity"], None),
        ([b"Identity, identity"], None),
        ([b"gzip"], "gzip"),
        ([b" GZip "], "gzip"),
        ([b"identity", b"zstd"], "zstd"),
        ([b"x-gzip"], "x-gzip"),
        ([b"deflate,"], "deflate"),
    ],
)
def test_one_encoding_is_read(values: list[bytes], found: str | None) -> None:
    """However it is written, and over several headers."""
    headers = [(b"content-encoding", value) for value in values]

    assert found == encoding([(b"content-type", b"gzip"), *headers])


@pytest.mark.parametrize(
    "values", [[b"br"], [b"gzip, gzip"], [b"gzip", b"zstd"], [b"gzip;q=1"], [b"\xff"]]
)
def test_other_and_several_encodings_are_refused(values: list[bytes]) -> None:
    """The refusal says which there are."""
    with pytest.raises(UnsupportedMedia) as refused:
        encoding((b"content-encoding", value) for value in values)

    assert "content-encoding" == refused.value.field
    assert "gzip, deflate, zstd" in refused.value.fix


@BOTH
@given(body=some.binary(max_size=2_000))
def test_what_was_packed_is_unpacked(name: str, pack: Pack, body: bytes) -> None:
    """A body of exactly the limit is taken; with one byte less, it is refused."""
    assert body == unpacked(pack(body), name, len(body))
    if body:
        with pytest.raises(TooLarge):
            unpacked(pack(body), name, len(body) - 1)


@BOTH
def test_a_bomb_is_refused_within_the_limit(name: str, pack: Pack) -> None:
    """Megabytes out of a few kilobytes never come into memory."""
    bomb = pack(bytes(20_000_000))
    tracemalloc.start()
    with pytest.raises(TooLarge, match="unpacks to more than 500000 bytes"):
        unpacked(bomb, name, 500_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 3_000_000


@BOTH
@given(cut=some.integers(0, 500))
def test_a_cut_body_is_refused(name: str, pack: Pack, cut: int) -> None:
    """Wherever it was cut, nothing of it counts."""
    whole = pack(bytes(range(256)) * 2)

    with pytest.raises(InvalidInput, match="ends too early") as refused:
        unpacked(whole[: cut % len(whole)], name, 10_000)
    assert "content-encoding" == refused.value.field


@BOTH
@pytest.mark.parametrize("extra", [b"x", b"\0\0", b'{"rows": []}'])
def test_what_follows_a_body_is_refused(name: str, pack: Pack, extra: bytes) -> None:
    """A body is what was packed, and nothing else."""
    with pytest.raises(InvalidInput) as refused:
        unpacked(pack(b"{}") + extra, name, 100)
    assert "content-encoding" == refused.value.field


@BOTH
@given(body=some.binary(max_size=200))
def test_any_bytes_are_unpacked_or_refused(name: str, pack: Pack, body: bytes) -> None:
    """Nothing else comes out of bytes that nobody packed."""
    with suppress(InvalidInput):
        assert len(unpacked(body, name, 100)) <= 100


@BOTH
def test_parts_count_together_and_are_few(name: str, pack: Pack) -> None:
    """Several members or frames are one body, with one limit; thousands of them are refused."""
    assert b"a" * MOST_PARTS == unpacked(pack(b"a") * MOST_PARTS, name, MOST_PARTS)
    with pytest.raises(TooLarge):
        unpacked(pack(b"a") * MOST_PARTS, name, MOST_PARTS - 1)
    with pytest.raises(InvalidInput, match=f"more than {MOST_PARTS} parts"):
        unpacked(pack(b"") * 10_000, name, 100)


def test_zstd_that_asks_for_much_memory_is_refused() -> None:
    """A window of 128 MiB would be allocated for each such body."""
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.strategy: 1}
    packer = zstd.ZstdCompressor(options=options)
    body = packer.compress(b"x" * 100) + packer.flush()

    with pytest.raises(InvalidInput, match="zstd"):
        unpacked(body, "zstd", 1_000)
