"""Which version serves: one slot per pipeline, and in it the champion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from mlplatform.errors import Unavailable, UnknownName
from mlplatform.serving.batcher import Batcher, Deliver
from mlplatform.serving.meters import Meters
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.redaction import SlotRedaction
from mlplatform.settings import ServingSettings


class Slot:
    """One pipeline: the model that serves, or why there is none. Used on the event loop only.

    `waiting` holds the ids of requests between acceptance and answer. `vacant` means that there is
    nothing to load: no version is promoted. `awaited` means that readiness still waits for it: what
    should serve after the start has neither been loaded nor proven impossible to load. `fault` says
    why the promoted version is not the one that serves, `hung` that the model does not respond.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        limits: ServingSettings,
        deliver: Deliver,
        commit_s: Callable[[], float] = lambda: 0.0,
        meters: Meters | None = None,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.redaction = SlotRedaction(pipeline, redaction_key)
        self.meters = meters or Meters(pipeline)
        self.state = "the promotion record has not been read yet"
        self.vacant = False
        self.awaited = True
        self.fault = ""
        self.hung = ""
        self.waiting: set[str] = set()
        self._limits = limits
        self._deliver = deliver
        self._commit_s = commit_s
        self._champion: Batcher | None = None
        self._former: list[Batcher] = []  # with requests that they have taken
        # One thread per pipeline, not per version: calls of the old and the new version then never
        # compete for the processor.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"model-{pipeline}")
        self.meters.watch(self.waiting)

    @property
    def champion(self) -> LoadedModel | None:
        """The model that serves."""
        return self._champion.model if self._champion else None

    def swap(self, model: LoadedModel) -> None:
        """Let `model` serve from the next request on.

        Requests that the old one has taken are still answered by it: they wait in its batcher.
        """
        old = self.champion
        self._retire()
        self._champion = Batcher(
            model,
            deliver=self._deliver,
            commit_s=self._commit_s,
            executor=self._executor,
            meters=self.meters,
            max_requests=self._limits.max_batch,
            max_rows=self._limits.max_rows,
        )
        self.redaction.serves(model)
        self.state, self.vacant, self.awaited = "", False, False
        self.meters.serves(
            model.version,
            model.facts.format,
            instead_of=(old.version, old.facts.format) if old else None,
        )

    def empty(self, state: str) -> None:
        """Nothing is to be served, for the reason `state`; what served serves no longer.

        Requests that it has taken are still answered.
        """
        old = self.champion
        self._retire()
        self.redaction.serves(None)
        self.state, self.vacant, self.awaited = state, True, False
        if old is not None:
            self.meters.ends(old.version, old.facts.format)
        self.recovered()

    def failed(self, version: str, error: Exception, *, final: bool) -> None:
        """The promoted version can't be loaded; `final`: not only for want of a server."""
        self.fault = f"version {version} could not be loaded: {error}"
        self.meters.unloadable(1)
        self.awaited = self.awaited and not final
        if self._champion is None:
            self.state = self.fault

    def recovered(self) -> None:
        """What serves is what should serve."""
        self.fault = ""
        self.meters.unloadable(0)

    def watch_calls(self) -> float:
        """How long the longest call of the model has taken so far.

        Above `model_hung_s` all that waits is refused, and what comes, until the call has ended.
        """
        batchers = [*self._former, *([self._champion] if self._champion else [])]
        longest = max((batcher.call_s() for batcher in batchers), default=0.0)
        limit = self._limits.model_hung_s
        if not limit or longest <= limit:
            self.hung = ""
            return longest
        self.hung = (
            f"model '{self.pipeline}' does not respond: a call takes longer than {limit:g} s"
        )
        for batcher in batchers:
            batcher.abandon(Unavailable(self.hung, retry_after_s=limit))
        return longest

    def _retire(self) -> None:
        batchers = [*self._former, *([self._champion] if self._champion else [])]
        self._former = [batcher for batcher in batchers if batcher.occupied]
        self._champion = None

    def choose(self, version: str | None) -> Batcher:
        """The one place that decides which version answers a request.

        `version` is the one that the client insists on. Raises Unavailable when nothing is loaded,
        UnknownName when that version isn't.
        """
        if self._champion is None:
            raise Unavailable(
                f"model '{self.pipeline}' is not available yet: {self.state}",
                retry_after_s=self._limits.poll_s,
            )
        if self.hung:
            raise Unavailable(self.hung, retry_after_s=self._limits.model_hung_s)
        if version is not None and version != self._champion.model.version:
            raise UnknownName(
                f"version {version} of '{self.pipeline}' is not loaded; "
                f"loaded is {self._champion.model.version}",
                field="version",
            )
        return self._champion

    def close(self) -> None:
        """Give the thread back."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Slots:
    """The slots of this process."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._slots = {slot.pipeline: slot for slot in slots}

    def all(self) -> list[Slot]:
        """Every slot, in the order of the settings."""
        return list(self._slots.values())

    def get(self, pipeline: str) -> Slot | None:
        """The slot of that pipeline; None when it is not served here."""
        return self._slots.get(pipeline)

    def find(self, pipeline: str) -> Slot:
        """The slot of that pipeline. Raises UnknownName that lists what there is."""
        slot = self._slots.get(pipeline)
        if slot is None:
            raise UnknownName(
                f"there is no model '{pipeline}' here; models are {', '.join(self._slots)}",
                field="model",
            )
        return slot

    def versions(self) -> dict[str, str]:
        """Pipeline -> version that serves."""
        return {name: slot.champion.version for name, slot in self._slots.items() if slot.champion}

    def vacant(self) -> list[str]:
        """Pipelines without a promoted version."""
        return [name for name, slot in self._slots.items() if slot.vacant]

    def faults(self) -> dict[str, str]:
        """Pipeline -> why the promoted version is not the one that serves."""
        return {name: slot.fault for name, slot in self._slots.items() if slot.fault}

    def any_serves(self) -> bool:
        """Whether at least one pipeline has a model that serves."""
        return any(slot.champion for slot in self._slots.values())

    def refuse_missing(self) -> None:
        """Return when this process has loaded, verified and warmed up every version that it can.

        Raises Unavailable that says what is missing. A pipeline without a promotion, or with a
        version that can't be loaded, holds nobody up: it answers 503 by itself, and a process that
        waited for it would take the others' traffic away. A model that hangs does: its process is
        about to end. With no model at all, there is nothing to
        be ready for, and a rollout stops at such a process.
        """
        slots = self._slots.values()
        if hung := [slot.hung for slot in slots if slot.hung]:
            raise Unavailable("; ".join(hung))
        missing = [
            slot for slot in slots if slot.champion is None and slot.awaited and not slot.vacant
        ]
        if missing or not self.any_serves():
            raise Unavailable(
                "; ".join(f"{slot.pipeline}: {slot.state}" for slot in missing or slots)
            )
