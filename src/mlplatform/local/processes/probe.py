"""Whether an HTTP server answers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.error import URLError
from urllib.request import urlopen


def answers(url: str) -> Callable[[], bool]:
    """A readiness probe for `ProcessSpec`: True when a GET of that http:// URL gives 200."""

    def ready() -> bool:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310  (an http:// address of our own)
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False  # not up yet; the supervisor asks again until its deadline

    return ready
