"""What follows from reading the promotion record once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mlplatform.client.json_http import parse
from mlplatform.contracts.promotion import ModelStatus, ModelVersion
from mlplatform.errors import (
    Forbidden,
    InvalidInput,
    ManifestMismatch,
    PlatformError,
    Unauthenticated,
    Unavailable,
    UnfitModel,
    UnknownName,
)
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.follower import Follower
from mlplatform.serving.meters import Meters
from mlplatform.serving.slot import Slot
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]


class Rig:
    """A follower whose data API and loader return what the test sets."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self._scene = scene
        self.folder = folder
        self.registry = CollectorRegistry()
        self.champion: ModelVersion | None = None
        self.failure: PlatformError | None = None
        self.broken: set[str] = set()
        self.breakage: Exception = ManifestMismatch("a byte differs")
        self.withdrawn: dict[str, Any] | None = None
        self.redact: dict[str, str] = {}
        self.loads: list[str] = []
        self.states: list[str] = []  # what requests are told meanwhile
        self.now = 0.0
        self.swaps = 0
        self.others_serve = True
        self.cache = ModelCache(folder)
        self.slot = Slot(
            "ward",
            limits=ServingSettings(),
            deliver=lambda *_: None,
            meters=Meters("ward", self.registry),
        )
        self.follower = Follower(
            self.slot,
            api=self,  # type: ignore[arg-type]
            loader=self,  # type: ignore[arg-type]
            cache=self.cache,
            poll_s=1.0,
            swapped=self._swapped,
            any_serves=lambda: self.others_serve or self.slot.champion is not None,
            clock=lambda: self.now,
        )

    def model_status(self, name: str) -> ModelStatus:
        """The data API's record, parsed as the client does it."""
        if self.failure:
            raise self.failure
        return parse(ModelStatus, self.document(name))

    def document(self, name: str) -> dict[str, Any]:
        """The record as JSON."""
        champion = self.champion.model_dump(mode="json") if self.champion else None
        return {
            "pipeline": name,
            "record": 1,
            "champion": champion,
            "candidate": None,
            "previous": None,
            "withdrawn": self.withdrawn,
            "redact": self.redact,
        }

    def load(self, version: ModelVersion) -> Any:
        """The loader."""
        self.loads.append(version.version)
        self.states.append(self.slot.state)
        if version.version in self.broken:
            raise self.breakage
        return self._scene["model"](number=version.version)

    def step(self) -> str | None:
        """Read the record once; the version that serves after it."""
        asyncio.run(self.follower.step())
        return self.slot.champion.version if self.slot.champion else None

    def failures(self) -> float | None:
        """What the alarm's metric says."""
        labels = {"pipeline": "ward", "reason": "ManifestMismatch"}
        return self.registry.get_sample_value("mlplatform_serving_load_failures_total", labels)

    def _swapped(self) -> None:
        self.swaps += 1


@pytest.fixture
def rig(scene: Scene, tmp_path: Path) -> Rig:
    """A follower that has not read the record yet."""
    return Rig(scene, tmp_path)


def test_a_new_champion_is_loaded_once(rig: Rig, scene: Scene) -> None:
    """The version of the record serves; an unchanged record costs nothing."""
    rig.champion = scene["version"]("1")
    found = [rig.step(), rig.step()]
    rig.champion = scene["version"]("2")

    assert ["1", "1", "2"] == [*found, rig.step()]
    assert (["1", "2"], 2) == (rig.loads, rig.swaps)


def test_a_broken_version_leaves_the_old_one_and_is_tried_with_growing_pauses(
    rig: Rig, scene: Scene
) -> None:
    """1 goes on; 2 is tried after 2, 4, 8 … seconds, counted each time, and then serves."""
    rig.champion = scene["version"]("1")
    rig.step()
    rig.champion, rig.broken = scene["version"]("2"), {"2"}
    tried = []
    for second in range(16):
        rig.now = float(second)
        before = len(rig.loads)
        assert "1" == rig.step()
        tried += [second] * (len(rig.loads) - before)

    assert ([0, 2, 6, 14], 4.0) == (tried, rig.failures())
    rig.broken, rig.now = set(), 100.0
    assert "2" == rig.step()


def test_a_repaired_promotion_is_not_held_back(rig: Rig, scene: Scene) -> None:
    """The pause is for the version that failed, not for the next one."""
    rig.champion, rig.broken = scene["version"]("1"), {"1"}
    rig.step()
    rig.champion = scene["version"]("2")

    assert "2" == rig.step()


def test_the_last_good_model_answers_only_without_a_data_api(
    rig: Rig, scene: Scene, tmp_path: Path
) -> None:
    """At a start the record decides; the cache is for when it can't be read."""
    rig.cache.remember(1, scene["version"]("1"))
    away, there = Rig(scene, tmp_path), Rig(scene, tmp_path)
    away.failure = Unavailable("no answer")

    assert ("1", None) == (away.step(), there.step())
    assert "no version has been promoted yet" == there.slot.state


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable("no answer"),
        Unauthenticated("no token"),
        Forbidden("not yours"),
        InvalidInput("odd"),
    ],
)
def test_the_last_good_model_answers_whatever_keeps_the_record_away(
    rig: Rig, scene: Scene, tmp_path: Path, failure: PlatformError
) -> None:
    """A revoked token or an unreadable record is no reason to serve nothing after a restart."""
    rig.cache.remember(1, scene["version"]("1"))
    restarted = Rig(scene, tmp_path)
    restarted.failure = failure

    assert ["1", "1"] == [restarted.step(), restarted.step()]
    assert ["1"] == restarted.loads


def test_a_pipeline_that_the_data_api_does_not_know_is_not_served_from_the_cache(
    rig: Rig, scene: Scene, tmp_path: Path
) -> None:
    """That there is no such pipeline is known then, and what is on disk doesn't overrule it."""
    rig.cache.remember(1, scene["version"]("1"))
    restarted = Rig(scene, tmp_path)
    restarted.failure = UnknownName("no such pipeline")

    assert (None, True) == (restarted.step(), restarted.slot.vacant)


def test_the_last_good_model_is_tried_again_while_there_is_no_record(
    rig: Rig, scene: Scene, tmp_path: Path
) -> None:
    """Until it can be loaded the process is not ready for that pipeline."""
    rig.cache.remember(1, scene["version"]("1"))
    restarted = Rig(scene, tmp_path)
    restarted.failure, restarted.broken = Unavailable("no answer"), {"1"}
    found = [restarted.step(), restarted.step()]
    restarted.broken, restarted.now = set(), 100.0

    assert ([None, None], False, ["1"]) == (found, restarted.slot.vacant, restarted.loads)
    assert "1" == restarted.step()


@pytest.mark.parametrize("first", [None, Unavailable("no answer")])
def test_a_failed_poll_does_not_fill_a_vacant_slot(rig: Rig, first: PlatformError | None) -> None:
    """A pipeline that never served here holds nobody up, however often the data API is away."""
    vacant = []
    for failure in (first, Unavailable("no answer"), Forbidden("not yours")):
        rig.failure = failure
        rig.step()
        vacant.append(rig.slot.vacant)

    assert [True, True, True] == vacant


def test_a_failed_poll_does_not_empty_a_slot_that_should_answer(rig: Rig, scene: Scene) -> None:
    """While a promoted version can't be loaded the process is not ready, whatever a poll finds."""
    rig.champion, rig.broken = scene["version"]("1"), {"1"}
    rig.step()
    rig.failure = Unavailable("no answer")

    assert (None, False) == (rig.step(), rig.slot.vacant)


def test_a_vanished_champion_takes_nothing_down(rig: Rig, scene: Scene) -> None:
    """Without a withdrawal it is a fault of the record: the old one goes on, logged once."""
    rig.champion = scene["version"]("1")
    rig.step()
    rig.champion = None
    with capture_logs() as logs:
        found = [rig.step() for _ in range(3)]

    assert ["1", "1", "1"] == found
    assert ["the promotion record names no champion; the old one keeps serving"] == [
        line["event"] for line in logs
    ]


WITHDRAWAL = {
    "id": 2,
    "pipeline": "ward",
    "version": "1",
    "action": "withdraw",
    "state": "retired",
    "by": "ann",
    "why": "wrong prices",
    "at": "2026-01-01T00:00:00Z",
}


def test_a_withdrawn_champion_serves_no_longer_not_even_after_a_restart(
    rig: Rig, scene: Scene, tmp_path: Path
) -> None:
    """The slot says who withdrew it and why; the cache does not bring it back."""
    rig.champion = scene["version"]("1")
    rig.step()
    rig.champion, rig.withdrawn = None, WITHDRAWAL
    found = [rig.step(), rig.step()]
    restarted = Rig(scene, tmp_path)
    restarted.failure = Unavailable("no answer")

    assert ([None, None], None, 2) == (found, restarted.step(), rig.swaps)
    assert "version 1 was withdrawn by ann: wrong prices" == rig.slot.state


def test_after_a_withdrawal_the_next_champion_serves(rig: Rig, scene: Scene) -> None:
    """Nothing of the withdrawn version holds it up."""
    rig.champion = scene["version"]("1")
    rig.step()
    rig.champion, rig.withdrawn = None, WITHDRAWAL
    rig.step()
    rig.champion, rig.withdrawn = scene["version"]("2"), None

    assert ("2", "") == (rig.step(), rig.slot.fault)


@pytest.mark.parametrize(
    ("breakage", "waits"),
    [
        (UnfitModel("a row is refused"), [False]),
        (ManifestMismatch("a byte differs"), [False]),
        (Unavailable("MLflow is away"), [True, True, True, True, False]),
    ],
)
def test_readiness_waits_for_a_version_only_while_a_server_may_come_back(
    rig: Rig, scene: Scene, breakage: Exception, waits: list[bool]
) -> None:
    """What can't be loaded is told and waited for no longer; a missing server gets five tries."""
    rig.champion, rig.broken, rig.breakage = scene["version"]("1"), {"1"}, breakage
    found = []
    for second in range(len(waits)):
        rig.now = 100.0 * second
        rig.step()
        found.append(rig.slot.awaited)

    assert waits == found
    assert f"version 1 could not be loaded: {breakage}" == rig.slot.fault


def test_a_process_that_serves_nothing_waits_for_a_server(rig: Rig, scene: Scene) -> None:
    """However often it has tried: when another version finds the server back, this one will soon.

    One more failure beside a version that serves is enough.
    """
    rig.champion, rig.broken = scene["version"]("1"), {"1"}
    rig.breakage, rig.others_serve = Unavailable("MLflow is away"), False
    for second in range(8):
        rig.now = 100.0 * second
        rig.step()
    alone = rig.slot.awaited
    rig.now, rig.others_serve = 800.0, True
    rig.step()

    assert (True, False) == (alone, rig.slot.awaited)


def test_a_fault_ends_when_the_record_returns_to_what_serves(rig: Rig, scene: Scene) -> None:
    """A rollback from a version that could not be loaded is all that has to happen."""
    rig.champion = scene["version"]("1")
    rig.step()
    rig.champion, rig.broken = scene["version"]("2"), {"2"}
    rig.step()
    fault = rig.slot.fault
    rig.champion = scene["version"]("1")
    rig.step()

    assert ("version 2 could not be loaded: a byte differs", "") == (fault, rig.slot.fault)


def test_a_further_try_keeps_the_reason_of_the_last_one(rig: Rig, scene: Scene) -> None:
    """Whoever asks during a try learns why there is no answer, as before it."""
    rig.champion, rig.broken = scene["version"]("1"), {"1"}
    rig.step()
    rig.now = 2.0
    rig.step()

    assert [
        "loading version 1",
        "version 1 could not be loaded: a byte differs; loading version 1",
    ] == rig.states


def test_an_unfit_version_is_tried_rarely(rig: Rig, scene: Scene) -> None:
    """Each of its trials may cost the whole time limit, and the bytes stay the same."""
    rig.champion, rig.broken = scene["version"]("1"), {"1"}
    rig.breakage = UnfitModel("it never ends")
    for second in range(0, 7200, 10):
        rig.now = float(second)
        rig.step()

    assert 15 == len(rig.loads)


def test_an_answer_of_a_newer_data_api_is_understood(
    rig: Rig, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data API is upgraded before serving, so fields that serving doesn't know are ignored."""
    rig.champion = scene["version"]("1")
    record = rig.document("ward") | {"field_of_tomorrow": 1}
    record["champion"] |= {"field_of_tomorrow": 1}
    monkeypatch.setattr(rig, "document", lambda _: record)

    assert "1" == rig.step()


def test_an_answer_that_is_not_a_record_changes_nothing(
    rig: Rig, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the data API sends, the version that serves goes on."""
    rig.champion = scene["version"]("1")
    rig.step()
    monkeypatch.setattr(rig, "document", lambda name: {"nonsense": name})

    assert "1" == rig.step()


def test_what_is_redacted_holds_with_the_next_poll_and_after_a_restart(
    rig: Rig, scene: Scene
) -> None:
    """Also for a version from before the rule, and where the data API is away at the start."""
    rig.champion = scene["version"]("1")
    rig.step()
    before = rig.slot.redaction.rules
    rig.redact = {"note": "drop"}
    rig.step()
    again = Rig(scene, rig.folder)
    again.failure = Unavailable("away")
    again.step()

    assert {} == before
    assert {"note": "drop"} == rig.slot.redaction.rules == again.slot.redaction.rules
    assert ["1"] == rig.loads
    assert again.slot.redaction.active
