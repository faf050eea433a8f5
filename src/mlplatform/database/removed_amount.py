"""How much was removed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """Records, the rows in them, and their bytes."""

    items: int = 0
    rows: int = 0
    size: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.items + other.items, self.rows + other.rows, self.size + other.size)
