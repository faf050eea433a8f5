"""Follow one pipeline's promotion record: when another version becomes champion, load and serve it.

It is loaded beside the old one, which serves until then. A version that can't be loaded changes
nothing: the old one keeps serving, an error is logged, `serving_load_failures_total` counts it, and
it is tried again with growing pauses. A champion that was withdrawn stops serving. At a start
without a record that can be read, or with a promoted version that can't be loaded, the last good
model of the cache serves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.promotion import ModelStatus, ModelVersion, Promotion
from mlplatform.errors import PlatformError, TryLater, UnfitModel, UnknownName
from mlplatform.loop import jittered
from mlplatform.serving.cache import ModelCache
from mlplatform.serving.loader import Loader
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.slot import Slot
from mlplatform.telemetry import logger

_log = logger("serving")
_MAX_BACKOFF_S = 60.0
"""Longest pause between two tries of a version that can't be loaded: long enough to be no load on
the registry, short enough that nobody waits for long after the cause is gone."""

_UNFIT_S = 1_800.0
"""The same for a version that failed its trial: the same bytes will most likely fail again, and
each trial may cost all of its time limit."""
_TRIES = 5
"""Failed tries, for want of a server, after which readiness waits no longer for a version: about a
minute with the default poll, which is more than an upgrade takes to replace MLflow."""


class Follower:
    """One per pipeline; `run` never returns. Blocking work happens in threads."""

    def __init__(
        self,
        slot: Slot,
        *,
        api: DataApi,
        loader: Loader,
        cache: ModelCache,
        poll_s: float,
        swapped: Callable[[], None],
        any_serves: Callable[[], bool],
        loads: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._api = api
        self._loader = loader
        self._cache = cache
        self._poll_s = poll_s
        self._swapped = swapped
        self._any_serves = any_serves  # whether this process serves any model
        self._loads = loads  # where models are loaded; None: asyncio's own threads
        self._backoff = _Backoff(poll_s, clock)
        self._read = False  # the record has been read since the start
        self._complaint = ""  # the last one about the record: logged once, not with every poll

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            await self.step()
            await asyncio.sleep(jittered(self._poll_s))

    async def step(self) -> None:
        """Read the promotion record once, and do what follows from it. Raises no error."""
        try:
            status = await asyncio.to_thread(self._api.model_status, self._slot.pipeline)
        except PlatformError as error:
            await self._without_record(error)
        except Exception as error:  # noqa: BLE001  (a bug in a poll must not end the following)
            # The old model serves, and the next poll tries again.
            _log.error(
                "reading the promotion record failed with an unexpected error",
                pipeline=self._slot.pipeline,
                exc_info=error,
            )
        else:
            self._read = True
            await self._follow(status)

    async def _without_record(self, error: PlatformError) -> None:
        if self._is_news(str(error)):
            _log.warning(
                "the promotion record can't be read", pipeline=self._slot.pipeline, error=str(error)
            )
        if self._slot.champion is not None:
            return
        self._slot.state = f"the promotion record can't be read: {error}"
        if isinstance(error, UnknownName):  # the data API doesn't know the pipeline yet
            self._slot.empty(self._slot.state)
        elif not self._read:
            # Only until the record has been read for the first time: from then on it is known
            # whether there is something to load, and a poll that fails changes nothing about it.
            await self._serve_last_good()

    async def _serve_last_good(self) -> None:
        """At a start without a record, serve what served before.

        Every poll tries again, until it can be loaded or the record is read.
        """
        last = await asyncio.to_thread(self._cache.remembered, self._slot.pipeline)
        if last is None:
            # Nobody can say what to load, so this pipeline is not ready; the others must not wait.
            self._slot.vacant = True
            return
        self._slot.redaction.follow(last.redact)
        await self._load(last.record, last.version)
        if self._slot.champion is not None:
            _log.warning(
                "starting with the last good model",
                pipeline=self._slot.pipeline,
                version=last.version.version,
            )

    async def _follow(self, status: ModelStatus) -> None:
        current = self._slot.champion
        if self._slot.redaction.follow(status.redact) and current is not None:
            await self._remember(status.record, current.facts)
        if status.champion is not None:
            self._complaint = ""
            if current is None or not _same(current.facts, status.champion):
                await self._load(status.record, status.champion)
            elif self._slot.fault:  # the one that failed was rolled back
                self._slot.recovered()
        elif status.withdrawn is not None:
            await self._end(status.withdrawn)
        elif current is None:
            self._slot.empty("no version has been promoted yet")
            self._complaint = ""
        # No other step of the state machine takes a champion away: this is a fault of the record,
        # and it must not take the service down.
        elif self._is_news("gone"):
            _log.error(
                "the promotion record names no champion; the old one keeps serving",
                pipeline=self._slot.pipeline,
            )

    async def _end(self, withdrawn: Promotion) -> None:
        """Serve nothing, also after a restart: the champion was withdrawn."""
        self._complaint = ""
        state = f"version {withdrawn.version} was withdrawn by {withdrawn.by}: {withdrawn.why}"
        if self._slot.vacant and self._slot.state == state:
            return
        self._slot.empty(state)
        _log.warning(
            "the champion was withdrawn; no version serves",
            pipeline=self._slot.pipeline,
            version=withdrawn.version,
            why=withdrawn.why,
        )
        await asyncio.to_thread(self._cache.forget, self._slot.pipeline)
        self._swapped()

    def _is_news(self, complaint: str) -> bool:
        """Whether the last poll had another complaint, or none."""
        news, self._complaint = complaint != self._complaint, complaint
        return news

    async def _load(self, record: int, version: ModelVersion) -> None:
        if not self._backoff.is_due(version):
            return
        if self._slot.champion is None:
            before = f"{self._slot.fault}; " if self._slot.fault else ""
            self._slot.state = f"{before}loading version {version.version}"
            self._slot.vacant = False
        try:
            model = await self._loaded(version)
        except Exception as error:  # noqa: BLE001  (a model is foreign code)
            # Whatever a version does while it is loaded, it must not end the one that serves.
            self._load_failed(version, error)
            if self._slot.champion is None:
                await self._fall_back(version)
            return
        self._backoff.reset()
        self._slot.swap(model)
        self._slot.recovered()
        _log.info(
            "version serves", pipeline=version.pipeline, version=version.version, record=record
        )
        # Noted after the swap: what is noted as good has been loaded and warmed up here.
        await self._remember(record, version)
        self._swapped()

    async def _loaded(self, version: ModelVersion) -> LoadedModel:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loads, self._loader.load, version)

    async def _fall_back(self, failed: ModelVersion) -> None:
        """After a restart, serve what served before it while the promoted version can't be loaded.

        The promoted version is tried again all the same.
        """
        last = await asyncio.to_thread(self._cache.remembered, self._slot.pipeline)
        if last is None or _same(last.version, failed):
            return
        try:
            self._slot.swap(await self._loaded(last.version))
        except Exception as error:  # noqa: BLE001  (then nothing serves, as before)
            _log.error(
                "the last good model could not be loaded either",
                pipeline=failed.pipeline,
                error=str(error),
            )
            return
        _log.warning(
            "the last good model serves",
            pipeline=failed.pipeline,
            version=last.version.version,
            instead_of=failed.version,
        )
        self._swapped()

    async def _remember(self, record: int, version: ModelVersion) -> None:
        try:
            rules = self._slot.redaction.rules
            await asyncio.to_thread(self._cache.remember, record, version, rules)
        except OSError as error:  # it serves; only a restart without data API would miss the note
            _log.error(
                "the last good model could not be noted",
                pipeline=version.pipeline,
                error=str(error),
            )

    def _load_failed(self, version: ModelVersion, error: Exception) -> None:
        unfit = isinstance(error, UnfitModel)
        pause_s = self._backoff.failed(version, most_s=_UNFIT_S if unfit else _MAX_BACKOFF_S)
        old = self._slot.champion
        expected = isinstance(error, PlatformError)
        _log.error(
            "version could not be loaded",
            pipeline=version.pipeline,
            version=version.version,
            serves=old.version if old else None,
            error=str(error),
            retry_after_s=pause_s,
            **({} if expected else {"exc_info": error}),
        )
        self._slot.meters.load_failed(type(error).__name__)
        # A server that is away may be back in a moment; what it holds is waited for, but not long.
        # A process that serves nothing waits anyway: given up now, a version would be missing when
        # another one is the first to find the server back.
        enough = self._backoff.failures >= _TRIES and self._any_serves()
        final = not isinstance(error, TryLater) or enough
        self._slot.failed(version.version, error, final=final)


class _Backoff:
    """When a version that could not be loaded is due for another try; any other version is at once.

    The pause is twice the poll's at first and doubles with every failure.
    """

    def __init__(self, poll_s: float, clock: Callable[[], float]) -> None:
        self._poll_s = poll_s
        self._clock = clock
        self._version: ModelVersion | None = None  # the one that failed last
        self.failures = 0
        self._due_at = 0.0

    def is_due(self, version: ModelVersion) -> bool:
        """Whether to try that version now."""
        return not self._is_known(version) or self._clock() >= self._due_at

    def failed(self, version: ModelVersion, *, most_s: float) -> float:
        """Note a failure; returns the seconds until the version is due again, `most_s` at most."""
        self.failures = self.failures + 1 if self._is_known(version) else 1
        self._version = version
        # The exponent has a bound too: the version may fail for days.
        pause_s = min(most_s, self._poll_s * 2.0 ** min(self.failures, 10))
        self._due_at = self._clock() + pause_s
        return pause_s

    def reset(self) -> None:
        """Forget the failures."""
        self._version = None

    def _is_known(self, version: ModelVersion) -> bool:
        return self._version is not None and _same(self._version, version)


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    """Whether two records of a version stand for the same bytes.

    Not whether they are equal: a version's state changes when it is promoted.
    """

    def identity(version: ModelVersion) -> tuple[str, str, str, str]:
        return (
            version.version,
            version.manifest_sha256,
            version.features_digest,
            version.commit,
        )

    return identity(one) == identity(other)
