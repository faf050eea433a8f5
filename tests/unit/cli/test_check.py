"""`mlplatform check`: each promise is a finding of its own."""

from __future__ import annotations

from typing import Any, cast

from mlplatform.cli import check
from mlplatform.errors import UnknownName

PLATFORM: Any = None  # used only where a version answers


class Answers:
    """Knows one pipeline, of which no version is promoted."""

    def get(self, path: str) -> dict[str, Any]:
        """As DataApi.get."""
        if path == "/v1/models/known":
            return {"champion": None}
        raise UnknownName("no pipeline of that name")


def found(name: str, *, must: bool) -> list[tuple[str, str]]:
    """State and detail of each finding."""
    client = cast("Any", Answers())
    return [
        (finding.state, finding.detail)
        for finding in check._of_name(PLATFORM, client, name, 1.0, must=must)
    ]


def test_a_pipeline_that_nobody_applied_is_a_finding() -> None:
    """A name that the data API does not know is one broken promise; the check goes on to the others."""
    assert [("failed", "no pipeline of that name")] == found("unknown", must=False)


def test_a_pipeline_without_a_version_is_skipped_unless_it_was_named() -> None:
    """Before the first promotion there is nothing to look at; who asks for a pipeline by name wants an answer of it."""
    assert [("skipped", "no version is promoted yet")] == found("known", must=False)
    assert [("failed", "no version is promoted")] == found("known", must=True)
