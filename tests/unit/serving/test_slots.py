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


def test_a_version_that_cannot_be_loaded_takes_no_other_out_of_readiness(scene: Scene) -> None:
    """It is told with its reason and answers 503 itself; what has a model goes on."""
    ward, lab = slot("ward"), slot("lab")
    slots = Slots([ward, lab])
    ward.swap(scene["model"]())
    lab.failed("3", ValueError("a row is refused"), final=True)

    slots.refuse_missing()

    assert {"lab": "version 3 could not be loaded: a row is refused"} == slots.faults()
    with pytest.raises(Unavailable, match="version 3 could not be loaded: a row is refused"):
        lab.choose(None)


def test_a_process_that_can_load_nothing_is_not_ready() -> None:
    """A rollout must not go ahead of it."""
    ward, lab = slot("ward"), slot("lab")
    ward.failed("1", ValueError("damaged"), final=True)
    lab.empty("no version has been promoted yet")

    with pytest.raises(Unavailable, match="version 1 could not be loaded: damaged"):
        Slots([ward, lab]).refuse_missing()


def test_a_load_that_begins_later_takes_nothing_out_of_readiness(scene: Scene) -> None:
    """Readiness waits for what should serve after the start, and for no first promotion later."""
    ward, lab = slot("ward"), slot("lab")
    ward.swap(scene["model"]())
    lab.empty("no version has been promoted yet")
    lab.state, lab.vacant = "loading version 1", False

    Slots([ward, lab]).refuse_missing()

    assert {} == Slots([ward, lab]).faults()


def test_a_withdrawn_version_serves_no_longer(scene: Scene) -> None:
    """The slot says why, and the next version clears it."""
    ward = slot("ward")
    ward.swap(scene["model"](number="1"))
    ward.empty("version 1 was withdrawn by ann: wrong prices")

    with pytest.raises(Unavailable, match="withdrawn by ann: wrong prices"):
        ward.choose(None)
    ward.swap(scene["model"](number="2"))
    assert "2" == ward.choose(None).model.version
