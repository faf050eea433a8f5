"""The head of a plain prediction request, kept to know its equals by their bytes alone.

Two requests of one connection whose heads are the same bytes, but for the digits of Content-Length,
mean the same: the same route, the same caller, a body of so many bytes. So only the first has to be
parsed and its token looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlplatform.access import Caller
from mlplatform.serving.request import Route

_DIGITS = 9
_END = b"\r\n\r\n"
_JSON_BYTES = b"\r\ninference-header-content-length:"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})\r\n(?![ \t])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What lies before and after the digits of Content-Length, and what it was found to mean."""

    before: bytes
    after: bytes  # to the empty line
    route: Route
    caller: Caller
    timeout_s: float | None = None

    def body(self, data: bytes) -> bytes | None:
        """The body, when `data` is a whole request with this head and nothing more; else None."""
        start = len(self.before)
        end = data.find(b"\r", start, start + _DIGITS + 1)
        if end < 0 or not data.startswith(self.before) or not data.startswith(self.after, end):
            return None
        digits, begin = data[start:end], end + len(self.after)
        if not digits.isdigit() or len(data) - begin != int(digits):
            return None
        return data[begin:]


def cut(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """A whole request cut into what lies before the digits, what after them, and its body.

    None unless there is one Content-Length, and it is the length of what follows the head.
    """
    end = data.find(_END) + len(_END)
    head = data[:end]
    found = _LENGTH.search(head)
    if found is None or head.lower().replace(_JSON_BYTES, b"").count(b"content-length") != 1:
        return None
    if len(data) - end != int(found[1]):
        return None
    return head[: found.start(1)], head[found.end(1) :], data[end:]
