"""Trees as each library computes them, whatever it calls their parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Test = Literal["<", "<=", ">"]
"""Which comparison of a value with a split leads to the first child."""
Link = Literal["identity", "exp", "sigmoid", "softmax", "one-against-all"]
"""What turns the sums of the trees into predictions."""


@dataclass
class Tree:
    """One tree. Children are numbers of inner nodes from 0, or of leaves: `~leaf`.

    A tree without inner nodes has one leaf. The root is node 0.
    """

    target: int = 0
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)  # whether a null takes the first child
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)

    def leaf(self, value: float) -> int:
        """A new leaf; returns what a parent calls it."""
        self.leaves.append(value)
        return ~(len(self.leaves) - 1)

    def node(self, feature: int, split: float, *, missing: bool) -> int:
        """A new inner node whose children are not known yet."""
        self.features.append(feature)
        self.splits.append(split)
        self.missing.append(missing)
        self.first.append(0)
        self.second.append(0)
        return len(self.features) - 1


@dataclass(frozen=True)
class Ensemble:
    """All trees of a model, and how their sums become predictions.

    Features are compared, and leaves added one after the other, in `number`.
    """

    library: str
    trees: tuple[Tree, ...]
    targets: int
    test: Test
    number: Any  # np.float32 or np.float64
    link: Link
    scale: float = 1.0  # of the sums
    offset: tuple[float, ...] = ()  # added after `scale`, one per target
    steepness: float = 1.0  # of "sigmoid" and "one-against-all"
    null: float = np.nan  # a number that is a null as well
    narrow: bool = False  # whether features are rounded to float32 before
