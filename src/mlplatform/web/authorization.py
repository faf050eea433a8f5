"""The one `Authorization` header of a request."""

from __future__ import annotations

from collections.abc import Iterable

from mlplatform.errors import Unauthenticated


def authorization(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The header's value, or None without one; `headers` as ASGI has them.

    Raises Unauthenticated for two: a proxy in between may have looked at the other.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise Unauthenticated(
            f"there are {len(values)} Authorization headers",
            field="authorization",
            fix="send one",
        )
    return values[0].decode("latin-1") if values else None
