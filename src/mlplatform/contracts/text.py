"""Bounded texts that people and programs send. NUL is refused: PostgreSQL can't store it."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]
"""Sentences of a person, stored and shown."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""A name or an identifier."""
