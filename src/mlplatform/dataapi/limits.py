"""How large the bodies of requests may be."""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.errors import TooLarge


def refuse_announced_size(headers: Mapping[str, str], most: int) -> None:
    """Raises TooLarge for a body that says it is larger than `most` bytes."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_large(most)


def too_large(most: int) -> TooLarge:
    """The error for a body above `most` bytes."""
    return TooLarge(
        f"the body is larger than {most} bytes", field="body", fix="send it in several requests"
    )
