"""Whether an HTTP server answers."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import urlopen

HEALTH_S = 5.0
"""How long a health page may take: far longer than it ever does, even on a machine under load."""


def answers(url: str, *, timeout_s: float = 2.0) -> Callable[[], bool]:
    """A probe for `ProcessSpec`: True when a GET of that http:// URL gives 200."""

    def ready() -> bool:
        try:
            with urlopen(url, timeout=timeout_s) as answer:  # noqa: S310  (http, our own)
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False  # not up yet; the supervisor asks again until its deadline
        except HTTPException:
            return False  # what answers is no HTTP server, or it broke off

    return ready
