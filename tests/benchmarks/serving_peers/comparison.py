"""Whether a server answers what scikit-learn answers, and which bytes its answers end with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from serving_peers.bodies import Dialect, Sample
from serving_peers.driver import Exchange
from serving_peers.sockets import Caller

TOLERANCE = 1e-4
"""Of numbers, absolute and relative: a model in float32 differs in the sixth digit. Classes must be
equal."""


class WrongAnswer(Exception):
    """A server said something else."""


class Unsupported(Exception):
    """A server does not know this dialect."""


def exchanges(
    caller: Caller, dialect: Dialect, parts: Iterable[Sample], *, predicts: bool
) -> list[Exchange]:
    """Every request with the end of its answer, after the answer was compared.

    Raises WrongAnswer, Unsupported.
    """
    found = []
    for part in parts:
        request = dialect.request(part)
        bodies = []
        for _ in range(2):
            code, headers, body = caller.post(request)
            if code != 200:
                raise Unsupported(f"{dialect.name}: {code} {body[:300].decode(errors='replace')}")
            bodies.append(body)
        if predicts:
            refuse_difference(part.expected, dialect.read(headers, body), dialect.name)
        found.append((request, common_end(*bodies)))
    return found


def refuse_difference(expected: Sequence[Any], actual: Sequence[Any], where: str) -> None:
    """Raises WrongAnswer when the predictions are not the same."""
    if len(expected) != len(actual):
        raise WrongAnswer(f"{where}: {len(actual)} predictions for {len(expected)} rows")
    for row, (right, given) in enumerate(zip(expected, actual, strict=True)):
        value = given[0] if isinstance(given, list) else given
        near = math.isclose(right, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        if not near or (isinstance(right, int) and right != value):
            raise WrongAnswer(f"{where}: row {row} is {value!r}, scikit-learn says {right!r}")


def common_end(first: bytes, second: bytes) -> bytes:
    """How both answers to one request end: all of it, or all behind the id, which differs.

    Two random ids may end with the same character, so the end begins behind the next comma.
    """
    if first == second:
        return first
    length = 0
    while length < min(len(first), len(second)) and first[-1 - length] == second[-1 - length]:
        length += 1
    end = first[len(first) - length :].partition(b",")[2]
    if len(end) * 4 < len(first):
        raise WrongAnswer(f"two answers to one request differ: {first[:200]!r}, {second[:200]!r}")
    return end
