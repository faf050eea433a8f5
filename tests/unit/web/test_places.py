"""Places for connections."""

from __future__ import annotations

import pytest

from mlplatform.web.places import Places


@pytest.mark.parametrize(
    ("most", "share", "own", "others"),
    [(8, 0.5, 4, 4), (8, 1.0, 8, 0), (3, 0.5, 1, 2), (1, 0.1, 1, 0)],
)
def test_one_address_gets_its_share(most: int, share: float, own: int, others: int) -> None:
    """Others get what is left."""
    places = Places(most, share)

    assert own == sum(places.take("192.0.2.1") for _ in range(most + 1))
    assert others == sum(places.take(f"198.51.100.{n}") for n in range(most + 1))


def test_a_place_that_is_given_back_can_be_taken_again() -> None:
    """By the same address as by another."""
    places = Places(2, 0.5)

    assert [True, False, True, False] == [places.take(name) for name in ("a", "a", "b", "c")]
    places.give_back("a")
    assert [True, False] == [places.take(name) for name in ("c", "a")]
