"""What all records of this package have in common: they can't be changed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen record. A field that it does not have is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FrozenAnswer(Frozen):
    """What a server answers.

    Its reader may be older than the server: fields that it does not know yet are ignored.
    """

    model_config = ConfigDict(extra="ignore")
