"""What a search may try for one parameter: a list of candidates, or all numbers of a range."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, model_validator

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.refusal import inconsistent


class Range(Frozen):
    """Numbers from `low` to `high`, both included; whole ones where both ends are whole."""

    low: int | float = Field(allow_inf_nan=False)
    high: int | float = Field(allow_inf_nan=False)
    log: bool = Field(default=False, description="Each tenfold is as likely as the next.")

    @model_validator(mode="after")
    def _sound(self) -> Range:
        if self.low >= self.high:
            raise inconsistent(f"low is {self.low}, and high must be above it", "high")
        if self.log and self.low <= 0:
            raise inconsistent("a range with log: true begins above 0", "low")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def candidates(value: Any) -> Range | list[Any]:
    """A document's value as one or the other. Raises what pydantic reports under its own key."""
    if isinstance(value, Range):
        return value
    if isinstance(value, dict):
        try:
            return Range.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            path = (*first["loc"][:1], *first.get("ctx", {}).get("path", ()))
            raise inconsistent(first["msg"], *path) from error
    if not isinstance(value, list) or not value:
        raise inconsistent("give a list of candidates, or a range such as {low: 1, high: 9}")
    return value
