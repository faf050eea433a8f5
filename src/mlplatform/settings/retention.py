"""Settings of retention."""

from __future__ import annotations

from pydantic import Field, model_validator

from mlplatform.settings.group import SettingsGroup

SPAN = r"^[1-9][0-9]{0,4} [1-9][0-9]{0,4} [1-9][0-9]{0,4}$"


class RetentionSettings(SettingsGroup):
    """How long records are kept.

    Each in days, three numbers: the least that a pipeline may say in its `retention:`, what holds
    when it says nothing, and the most. Where no pipeline can say anything, the middle one holds.
    """

    # Requests are what everything else can be made of again, so they stay for years; the queue and
    # the outboxes must not hold any that are removed here, hence the month.
    requests: str = Field("30 1095 3650", pattern=SPAN, description="Requests as they came.")
    feature_rows: str = Field(
        "30 3650 36500", pattern=SPAN, description="Feature rows whose requests are removed."
    )
    # A digest comes back with a revert; after a month its rows are made again from the requests.
    features: str = Field(
        "1 30 3650", pattern=SPAN, description="Feature tables, since nothing uses them."
    )
    quarantine: str = Field(
        "7 90 3650",
        pattern=SPAN,
        description="Quarantined rows, since they were resolved or dropped.",
    )
    quarantine_open: str = Field(
        "30 730 3650", pattern=SPAN, description="Quarantined rows that nobody has decided."
    )
    labels: str = Field("30 3650 36500", pattern=SPAN, description="Labels.")
    # Who repeats an import does so within hours; a key that is gone makes it a second import.
    imports: str = Field(
        "7 400 3650", pattern=SPAN, description="Keys by which a repeated import is known."
    )
    runs: str = Field(
        "1 90 3650", pattern=SPAN, description="Files of failed runs and rejected versions."
    )
    receipts: str = Field(
        "7 400 36500", pattern=SPAN, description="Receipts that no version needs."
    )
    dead_letters: str = Field("30 365 3650", pattern=SPAN, description="Dead letters.")
    # Audits ask for a year at least.
    ledger: str = Field("90 1095 36500", pattern=SPAN, description="The ledger.")
    logs: str = Field("1 30 3650", pattern=SPAN, description="Logs of trainings on this machine.")

    @model_validator(mode="after")
    def _in_order(self) -> RetentionSettings:
        for kind in type(self).model_fields:
            least, usual, most = self.days(kind)
            if not least <= usual <= most:
                raise ValueError(f"{kind}: {least} {usual} {most} must not fall")
        return self

    def days(self, kind: str) -> tuple[int, int, int]:
        """Least, usual and most days of a kind."""
        least, usual, most = map(int, getattr(self, kind).split())
        return least, usual, most
