"""Follow one pipeline's promotion record: when another version becomes champion, load it beside the old one and let it answer.

A version that can't be loaded changes nothing: the old one keeps answering, an error is logged,
`serving_load_failures_total` counts it, and it is tried again with growing pauses. At a start
without a record that can be read, or with a promoted version that can't be loaded, the last good
model of the cache answers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from pydantic import ValidationError

from mlplatform.contracts.promotion import ModelStatus, ModelVersion
from mlplatform.errors import InvalidInput, PlatformError, UnknownName
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.loader import Loader
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.slot import Slot
from mlplatform.telemetry import logger

_log = logger("serving")
_JITTER = 0.25
"""Share by which a pause varies, so that pods which started together don't ask together for ever."""
_MOST_BACKOFF_S = 60.0
"""Longest pause between two tries of a version that can't be loaded: long enough to be no load on
the registry, short enough that nobody waits for long after the cause is gone."""


class Asks(Protocol):
    """The part of DataApi that is needed here."""

    def get(self, path: str) -> object:
        """The JSON document at `path`."""
        ...


class Follower:
    """One per pipeline; `run` never returns. Blocking work happens in threads."""

    def __init__(
        self,
        slot: Slot,
        *,
        api: Asks,
        loader: Loader,
        cache: ModelCache,
        poll_s: float,
        swapped: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._api = api
        self._loader = loader
        self._cache = cache
        self._poll_s = poll_s
        self._swapped = swapped
        self._clock = clock
        self._tried: ModelVersion | None = None  # the version that failed last
        self._failures = 0
        self._retry_at = 0.0
        self._read = False  # the record has been read since the start
        self._told = ""  # last complaint about the record: told once, not with every poll

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            await self.step()
            await asyncio.sleep(self._poll_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  (spreads load, guards nothing)

    async def step(self) -> None:
        """One look at the promotion record, and what follows from it.

        Raises nothing that the platform foresaw.
        """
        try:
            status = await asyncio.to_thread(self._ask)
        except PlatformError as error:
            await self._without_record(error)
            return
        except Exception as error:  # noqa: BLE001  (a bug in a poll must not end the following: the old model answers, the next poll tries again)
            _log.error(
                "reading the promotion record failed unforeseen",
                pipeline=self._slot.pipeline,
                exc_info=error,
            )
            return
        self._read = True
        await self._follow(status)

    def _ask(self) -> ModelStatus:
        try:
            return ModelStatus.model_validate(self._api.get(f"/v1/models/{self._slot.pipeline}"))
        except ValidationError as error:
            raise InvalidInput(
                f"the data API's answer is no promotion record: {error.errors()[0]['msg']}"
            ) from error

    async def _without_record(self, error: PlatformError) -> None:
        if self._news(str(error)):
            _log.warning(
                "the promotion record can't be read", pipeline=self._slot.pipeline, error=str(error)
            )
        if self._slot.champion is not None:
            return
        self._slot.state = f"the promotion record can't be read: {error}"
        if isinstance(error, UnknownName):  # the data API doesn't know the pipeline yet
            self._slot.vacant = True
        elif not self._read:  # else the record has told whether there is something to load, and this poll tells nothing else
            await self._without_any_record()

    async def _without_any_record(self) -> None:
        """At a start without a record, answer with what answered before.

        It is tried until it can be loaded or the record is read.
        """
        remembered = await asyncio.to_thread(self._cache.remembered, self._slot.pipeline)
        if (
            remembered is None
        ):  # of no use to this pipeline while nobody can tell the version, but of use to the others
            self._slot.vacant = True
            return
        await self._load(remembered.record, remembered.version)
        if self._slot.champion is not None:
            _log.warning(
                "starting with the last good model",
                pipeline=self._slot.pipeline,
                version=remembered.version.version,
            )

    async def _follow(self, status: ModelStatus) -> None:
        current = self._slot.champion
        if status.champion is None:
            self._no_champion(current)
            return
        self._told = ""
        if current is None or not _same(current.facts, status.champion):
            await self._load(status.record, status.champion)

    def _no_champion(self, current: LoadedModel | None) -> None:
        """The state machine has no step that takes a champion away: a fault of the record must not take the service down."""
        if current is None:
            self._slot.state, self._slot.vacant, self._told = (
                "no version has been promoted yet",
                True,
                "",
            )
        elif self._news("gone"):
            _log.error(
                "the promotion record names no champion; the old one keeps answering",
                pipeline=self._slot.pipeline,
            )

    def _news(self, complaint: str) -> bool:
        """Whether the last look complained of something else."""
        news, self._told = complaint != self._told, complaint
        return news

    async def _load(self, record: int, version: ModelVersion) -> None:
        if (
            self._tried is not None
            and _same(self._tried, version)
            and self._clock() < self._retry_at
        ):
            return
        if self._slot.champion is None:
            self._slot.state, self._slot.vacant = f"loading version {version.version}", False
        try:
            model = await asyncio.to_thread(self._loader.load, version)
        except Exception as error:  # noqa: BLE001  (whatever a version does while it is loaded, it must not end the one that answers)
            self._failed(version, error)
            if self._slot.champion is None:
                await self._fall_back(version)
            return
        self._tried, self._failures = None, 0
        self._slot.swap(model)
        _log.info(
            "version answers", pipeline=version.pipeline, version=version.version, record=record
        )
        await self._remember(record, version)
        self._swapped()

    async def _fall_back(self, failed: ModelVersion) -> None:
        """After a restart, answer with what answered before it until the promoted version can be loaded: it is tried again all the same."""
        remembered = await asyncio.to_thread(self._cache.remembered, self._slot.pipeline)
        if remembered is None or _same(remembered.version, failed):
            return
        try:
            self._slot.swap(await asyncio.to_thread(self._loader.load, remembered.version))
        except Exception as error:  # noqa: BLE001  (then nothing answers, as before, and both failures are told)
            _log.error(
                "the last good model could not be loaded either",
                pipeline=failed.pipeline,
                error=str(error),
            )
            return
        _log.warning(
            "the last good model answers",
            pipeline=failed.pipeline,
            version=remembered.version.version,
            instead_of=failed.version,
        )
        self._swapped()

    async def _remember(self, record: int, version: ModelVersion) -> None:
        try:
            await asyncio.to_thread(self._cache.remember, record, version)
        except OSError as error:  # it answers; only a restart without data API would miss it
            _log.error(
                "the last good model could not be noted",
                pipeline=version.pipeline,
                error=str(error),
            )

    def _failed(self, version: ModelVersion, error: Exception) -> None:
        self._failures = (
            self._failures + 1 if self._tried is not None and _same(self._tried, version) else 1
        )
        self._tried = version
        pause = min(_MOST_BACKOFF_S, self._poll_s * 2 ** min(self._failures, 10))
        self._retry_at = self._clock() + pause
        old = self._slot.champion
        foreseen = isinstance(error, PlatformError)
        _log.error(
            "version could not be loaded",
            pipeline=version.pipeline,
            version=version.version,
            answers=old.version if old else None,
            error=str(error),
            retry_after_s=pause,
            **({} if foreseen else {"exc_info": error}),
        )
        self._slot.meters.load_failed(type(error).__name__)
        if old is None:
            self._slot.state = f"version {version.version} could not be loaded: {error}"


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    return (one.version, one.manifest_sha256, one.features_digest, one.commit) == (
        other.version,
        other.manifest_sha256,
        other.features_digest,
        other.commit,
    )
