"""Which version serves, and when the process is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mlplatform.errors import Unavailable, UnknownName
from mlplatform.serving.meters import Meters
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]


def slot(name: str = "ward") -> Slot:
    return Slot(
        name,
        limits=ServingSettings(),
        deliver=lambda *_: None,
        meters=Meters(name, CollectorRegistry()),
    )


def test_an_empty_slot_says_why_it_is_empty() -> None:
    """503 with the state that the follower left."""
    empty = slot()
    empty.state = "no version has been promoted yet"

    with pytest.raises(Unavailable, match="no version has been promoted yet"):
        empty.choose(None)


def test_the_champion_answers_also_when_it_is_named(scene: Scene) -> None:
    """No version, or the loaded one; any other is unknown and the loaded one is named."""
    filled = slot()
    filled.swap(scene["model"](number="1"))
    filled.swap(scene["model"](number="2"))

    assert ["2", "2"] == [filled.choose(version).model.version for version in (None, "2")]
    with pytest.raises(UnknownName, match="loaded is 2"):
        filled.choose("1")


def test_an_unknown_model_names_the_known_ones() -> None:
    """A caller who mistypes finds the right name in the error."""
    with pytest.raises(UnknownName, match="models are ward, lab"):
        Slots([slot("ward"), slot("lab")]).find("word")


def test_readiness_waits_for_what_should_answer(scene: Scene) -> None:
    """Ready with every promoted model loaded; vacant ones hold nobody up; none is not ready."""
    ward, lab = slot("ward"), slot("lab")
    slots = Slots([ward, lab])
    refusals = []

    for change in (
        lambda: setattr(lab, "state", "loading"),
        lambda: ward.swap(scene["model"]()),
        lambda: setattr(lab, "vacant", True),
    ):
        change()
        try:
            slots.refuse_missing()
        except Unavailable as error:
            refusals.append(str(error))

    assert [
        "ward: the promotion record has not been read yet; lab: loading",
        "lab: loading",
    ] == refusals
    assert ["lab"] == slots.vacant()
