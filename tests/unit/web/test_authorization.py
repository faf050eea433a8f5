"""Which Authorization header counts."""

from __future__ import annotations

import pytest

from mlplatform.errors import Unauthenticated
from mlplatform.web.authorization import authorization

ONE = (b"authorization", b"Bearer one")
OTHER = (b"authorization", b"Bearer other")
HOST = (b"host", b"here")


def test_one_header_is_the_caller() -> None:
    """None without one; other headers don't matter."""
    assert authorization([HOST]) is None
    assert "Bearer one" == authorization([HOST, ONE, HOST])


@pytest.mark.parametrize("headers", [(ONE, OTHER), (OTHER, ONE), (ONE, HOST, ONE)])
def test_two_headers_are_refused(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Whichever is known, and even if they are the same."""
    with pytest.raises(Unauthenticated, match="2 Authorization headers"):
        authorization(headers)
