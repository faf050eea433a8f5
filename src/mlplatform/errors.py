"""Every error that the platform raises on purpose.

    PlatformError
    ├── SettingsError            a setting is missing, unknown or makes no sense
    ├── InvalidInput             a request, row, file or definition does not match its contract
    │   ├── UnknownName          no pipeline, dataset, model or version of that name
    │   ├── TooLarge             above a documented size limit
    │   │   └── HeadTooLarge     request line and headers are
    │   ├── TooSlow              the body did not arrive in time
    │   ├── FeaturesEnded        features.py ran too long for these rows, or ended its process
    │   ├── RowRefused           the model has no answer for one row
    │   └── UnsupportedMedia     a content type or encoding that is not supported
    ├── Unauthenticated          no token, or an unknown one
    ├── Forbidden                the token is known, its role does not allow this
    ├── Refused                  the state does not allow the step; says what is missing
    │   ├── LeaseHeld            another run trains the pipeline
    │   ├── NotGoodEnough        a gate or a case does not hold
    │   └── CutShort             the run was cancelled, or took longer than it may
    ├── DeadlinePassed           the request's time was over before the model had begun with it
    ├── UnfitModel               a model can't be loaded, or not within limits, or refuses its trial
    ├── TryLater                 another try makes sense after `retry_after_s`
    │   ├── Overloaded           a bounded queue or a rate limit is full
    │   └── Unavailable          something that is needed is not available
    │       ├── StandbyUnproven  a read could not be proven to come from a standby
    │       ├── StandbyLagging   the standby is further behind than the limit
    │       ├── OutboxFull       the durable outbox has no room for another request
    │       ├── NotAcknowledged  the request is stored here, and not known to be in the queue
    │       └── FeaturesOverrun  features.py ran longer than its limit for these rows
    └── IntegrityFailure         bytes do not match their digest
        ├── ManifestMismatch     a model file differs from its SHA-256 manifest
        ├── DigestMismatch       features code differs from the digest that was recorded
        ├── DatasetIncomplete    a dataset stream does not match its receipt
        └── RecordsGone          the queue no longer holds records that were not stored yet

HTTP codes are not known here; `mlplatform.web.problem` maps the classes at the edge.
"""

from __future__ import annotations


class PlatformError(Exception):
    """The platform failed or refused for a known reason.

    `field` names the request field, column, setting or flag at fault; `fix` says what to do about
    it. Both may be empty.
    """

    def __init__(self, message: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.fix = fix

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field and not self.message.startswith(self.field) else ""
        return f"{where}{self.message}" + (f" ({self.fix})" if self.fix else "")


class SettingsError(PlatformError):
    """A setting is missing, unknown or makes no sense."""


class InvalidInput(PlatformError):
    """The input does not match its contract."""


class UnknownName(InvalidInput):
    """There is nothing with that name."""


class TooLarge(InvalidInput):
    """The input is above a documented size limit."""


class HeadTooLarge(TooLarge):
    """The request line and headers are above the documented size limit."""


class TooSlow(InvalidInput):
    """The body did not arrive within the documented time."""


class FeaturesEnded(InvalidInput):
    """The pipeline's features.py ran too long for these rows, or ended its process."""


class RowRefused(InvalidInput):
    """The model has no answer for a row of the request."""

    def __init__(
        self, message: str, *, field: str = "", fix: str = "", row: int | None = None
    ) -> None:
        super().__init__(message if row is None else f"row {row}: {message}", field=field, fix=fix)
        self.reason = message
        self.row = row


class UnsupportedMedia(InvalidInput):
    """The content type or encoding is not supported."""


class Unauthenticated(PlatformError):
    """The bearer token is missing or unknown."""


class Forbidden(PlatformError):
    """The role of this token does not allow the action."""


class Refused(PlatformError):
    """The current state does not allow this step."""


class LeaseHeld(Refused):
    """Another run trains the pipeline, or has taken over."""


class NotGoodEnough(Refused):
    """The new version fails a gate or a case."""


class CutShort(Refused):
    """The run was cancelled, or took longer than it may."""


class UnfitModel(PlatformError):
    """The model can't be loaded within its limits, or refuses rows that its definition allows."""


class DeadlinePassed(PlatformError):
    """The request's time was over before the model had begun with it."""


class TryLater(PlatformError):
    """Another try makes sense after `retry_after_s` seconds."""

    def __init__(
        self, message: str, *, field: str = "", fix: str = "", retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, field=field, fix=fix)
        self.retry_after_s = retry_after_s


class Overloaded(TryLater):
    """A bounded queue or a rate limit is full."""


class Unavailable(TryLater):
    """Something that is needed is not available."""


class StandbyUnproven(Unavailable):
    """A read could not be proven to come from a standby, so its rows were discarded."""


class StandbyLagging(Unavailable):
    """The standby is further behind its primary than the limit allows."""


class OutboxFull(Unavailable):
    """The outbox has no room: requests are refused until the shipper has caught up."""


class NotAcknowledged(Unavailable):
    """The request is stored where it was answered, and is not known to be in the queue.

    It may still be recorded, under `request_id`: another try would be another request.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        fix: str = "",
        retry_after_s: float = 1.0,
        request_id: str = "",
    ) -> None:
        super().__init__(message, field=field, fix=fix, retry_after_s=retry_after_s)
        self.request_id = request_id


class FeaturesOverrun(Unavailable):
    """The pipeline's features.py ran longer than its limit for these rows."""


class IntegrityFailure(PlatformError):
    """The bytes do not match their digest."""


class ManifestMismatch(IntegrityFailure):
    """A model file differs from its manifest."""


class DigestMismatch(IntegrityFailure):
    """The features code at this commit differs from the code that was recorded."""


class DatasetIncomplete(IntegrityFailure):
    """A dataset stream does not match its receipt."""


class RecordsGone(IntegrityFailure):
    """The queue no longer holds the records that come next after what is stored."""
