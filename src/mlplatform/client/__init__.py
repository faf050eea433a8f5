"""Typed clients of the data API and of serving: what trainer, serving and the command line use.

Speaks HTTP and Arrow, never SQL.
"""

from __future__ import annotations

from mlplatform.without import without

# httpx has a command line of its own, whose libraries it imports if they are there.
with without("pygments"):
    import httpx  # noqa: F401
