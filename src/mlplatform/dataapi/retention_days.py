"""How long each kind of each pipeline is kept, and what of a pipeline that bounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.retention import RetentionPlan, RetentionStep
from mlplatform.contracts.retention_days import PIPELINE_KINDS, SHARED_KINDS, Kind
from mlplatform.dataapi import promotion
from mlplatform.database import pipelines, promotions, retention
from mlplatform.database.retention import RemovalBounds
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput
from mlplatform.settings import RetentionSettings

HELD_SHARED = "a pipeline is under a legal hold"


def check(definition: PipelineDefinition, settings: RetentionSettings) -> None:
    """Raises InvalidInput for days beyond the floor or the ceiling of this platform."""
    for kind, days in definition.retention.given().items():
        least, _, most = settings.days(kind)
        if not least <= days <= most:
            raise InvalidInput(
                f"{days} days: this platform keeps {kind} from {least} to {most} days",
                field=f"retention.{kind}",
                fix=f"say {least} to {most}, or have the settings of the platform changed",
            )


class Days:
    """The days of all kinds at one moment."""

    def __init__(self, connection: Connection, settings: RetentionSettings) -> None:
        self.now = datetime.now(UTC)
        self.holds = retention.holds(connection)
        self._held = {each.pipeline: each.why for each in self.holds}
        self._settings = settings
        self._definitions = {
            each.name: each.parsed().retention.given() for each in pipelines.all_applied(connection)
        }

    @property
    def applied(self) -> list[str]:
        """The applied pipelines."""
        return list(self._definitions)

    def of(self, pipeline: str | None, kind: Kind) -> int:
        """Days of a kind.

        What a pipeline says was within the bounds when it was applied; those of now hold.
        """
        least, usual, most = self._settings.days(kind)
        said = {str(name): days for name, days in self._definitions.get(pipeline or "", {}).items()}
        return min(max(said.get(kind, usual), least), most)

    def before(self, pipeline: str | None, kind: Kind) -> datetime:
        """What is older than this may go."""
        return self.now - timedelta(days=self.of(pipeline, kind))

    def held(self, pipeline: str | None) -> str:
        """Why nothing of a pipeline, or of all together, is removed; empty: it is."""
        if pipeline is None:
            return HELD_SHARED if self._held else ""
        return self._held.get(pipeline, "")

    def plan(self, names: Sequence[str]) -> RetentionPlan:
        """Every step for these pipelines, in the order in which they are to be taken."""
        wanted: list[tuple[Kind, str | None]] = [
            (kind, name) for kind in PIPELINE_KINDS for name in names
        ]
        wanted += [(kind, None) for kind in SHARED_KINDS]
        steps = [
            RetentionStep(
                kind=kind,
                pipeline=name,
                days=self.of(name, kind),
                before=self.before(name, kind),
                held="" if kind == "logs" else self.held(name),
            )
            for kind, name in wanted
        ]
        return RetentionPlan(steps=steps, holds=self.holds)

    def bounds(
        self, connection: Connection, pipeline: str | None, kind: Kind, *, below: str = ""
    ) -> RemovalBounds:
        """What may go of a kind, of requests with ids below `below`."""
        keep = [] if pipeline is None else _kept(connection, pipeline)
        failed = self.before(pipeline, "runs")
        return RemovalBounds(pipeline, self.before(pipeline, kind), failed, below=below, keep=keep)


def _kept(connection: Connection, pipeline: str) -> list[str]:
    """The version that a rollback would bring back."""
    history = promotions.history(connection, pipeline)
    found = promotion.previous(history, promotions.versions(connection, pipeline))
    return [found] if found else []
