"""Query parameters: those that a route doesn't know are refused.

Ignored, a misspelt `limt=10` would hand out everything and look like what was asked for.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl

from mlplatform.errors import InvalidInput


def refuse_others(query: bytes, known: set[str]) -> None:
    """Raises InvalidInput when `query` names a parameter that isn't known, or one twice."""
    given = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name, times in given.items():
        if name not in known:
            allowed = f"this route takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidInput("unknown query parameter", field=name, fix=allowed)
        if times > 1:
            raise InvalidInput(f"given {times} times", field=name, fix="give it once")
