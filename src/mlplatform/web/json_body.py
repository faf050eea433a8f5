"""JSON bodies: an object with a key twice is refused.

Of two proposals, definitions or bounds under one name only the last would count.
"""

from __future__ import annotations

from fastapi import Depends, Request

from mlplatform.errors import InvalidInput
from mlplatform.strict_json import key_count, repeated_keys


async def _distinct(request: Request) -> None:
    if request.scope["route"].body_field is None:  # it reads its body itself, or has none
        return
    body = await request.body()  # FastAPI has read it, and parsed it as JSON
    if body and (repeated := repeated_keys(body, key_count(await request.json()))):
        place = ".".join(map(str, (*repeated[0].place, repeated[0].key)))
        raise InvalidInput(str(repeated[0]), field=place)


DISTINCT_KEYS = [Depends(_distinct)]
"""For routers whose routes take JSON records."""
