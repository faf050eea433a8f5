"""Every error that the platform raises on purpose.

    PlatformError
    ├── SettingsError            a setting is missing, unknown or makes no sense
    ├── InvalidInput             a request, row, file or definition breaks its contract
    │   ├── UnknownName          no pipeline, dataset, model or version of that name
    │   ├── TooLarge             above a documented size limit
    │   ├── TooSlow              the body did not arrive in time
    │   └── UnsupportedMedia     a content type or encoding that is not spoken here
    ├── Unauthenticated          no token, or one that nobody issued
    ├── Forbidden                the token is known, its role does not allow this
    ├── Refused                  the state does not allow the step; says what is missing
    ├── TryLater                 another try makes sense after `retry_after_s`
    │   ├── Overloaded           a bounded queue or a rate limit is full
    │   └── Unavailable          a collaborator is away
    │       ├── StandbyUnproven  a read could not be proven to come from a standby
    │       ├── StandbyLagging   the standby is further behind than the limit
    │       └── OutboxFull       the durable outbox has no room for another request
    └── IntegrityFailure         bytes are not what their digest says
        ├── ManifestMismatch     a model file differs from its SHA-256 manifest
        ├── DigestMismatch       features code differs from the digest that was recorded
        ├── DatasetIncomplete    a dataset stream does not match its receipt
        └── RecordsGone          the queue no longer holds records that were not stored yet

HTTP codes are not known here; `mlplatform.web.problem` maps the classes at the edge.
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something went wrong that the platform foresaw.

    `field` names the request field, column, setting or flag at fault; `fix` tells what to do about
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
    """The input breaks its contract."""


class UnknownName(InvalidInput):
    """There is nothing of that name."""


class TooLarge(InvalidInput):
    """The input is above a documented size limit."""


class TooSlow(InvalidInput):
    """The body did not arrive within the documented time."""


class UnsupportedMedia(InvalidInput):
    """A content type or encoding that is not spoken here."""


class Unauthenticated(PlatformError):
    """The bearer token is missing or unknown."""


class Forbidden(PlatformError):
    """The role of this token does not allow the action."""


class Refused(PlatformError):
    """The present state does not allow this step."""


class TryLater(PlatformError):
    """Carries `retry_after_s` (seconds), after which another try makes sense."""

    def __init__(
        self, message: str, *, field: str = "", fix: str = "", retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, field=field, fix=fix)
        self.retry_after_s = retry_after_s


class Overloaded(TryLater):
    """A bounded queue or a rate limit is full."""


class Unavailable(TryLater):
    """A collaborator is away."""


class StandbyUnproven(Unavailable):
    """A read could not be proven to come from a standby, so its rows were thrown away."""


class StandbyLagging(Unavailable):
    """The standby is further behind its primary than the limit allows."""


class OutboxFull(Unavailable):
    """The outbox has no room: requests are refused until the shipper has caught up."""


class IntegrityFailure(PlatformError):
    """Bytes are not what their digest says."""


class ManifestMismatch(IntegrityFailure):
    """A model file differs from its manifest."""


class DigestMismatch(IntegrityFailure):
    """The features code at this commit is not the code that was recorded."""


class DatasetIncomplete(IntegrityFailure):
    """A dataset stream does not match its receipt."""


class RecordsGone(IntegrityFailure):
    """The queue does not hold the records that come next after what is stored."""
