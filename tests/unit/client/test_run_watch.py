"""Following a training to its end, on a data API in memory."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.client.run_watch import follow
from mlplatform.contracts.run import Run
from mlplatform.errors import Refused, UnknownName


def run(state: Any, failure: str = "") -> Run:
    """A run in that state."""
    return Run(
        name="p-1", pipeline="p", state=state, reason="", started_at=None, finished_at=None,
        failure=failure,
    )  # fmt: skip


class Server:
    """Gives these runs, one a call."""

    def __init__(self, *found: Run | None) -> None:
        self.found = list(found)

    def runs(self, _: str) -> list[Run]:
        """As DataApi does."""
        one = self.found.pop(0)
        return [one] if one else []

    def versions(self, _: str) -> list[Any]:
        """Two versions."""
        return [type("V", (), {"version": number})() for number in ("10", "9")]


def test_the_newest_version_is_returned() -> None:
    """After waiting and running; 10 is newer than 9."""
    server, slept = Server(run("waiting"), run("running"), run("succeeded")), list[float]()
    found = follow(cast("DataApi", server), "p", "p-1", sleep=slept.append)

    assert ("10", 2) == (found.version, len(slept))


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("p is not proposed: roc_auc 0.6 is below 0.9", "has failed: p is not proposed: roc_auc"),
        ("", "has failed .its log says why"),
    ],
)
def test_a_failed_run_says_why(failure: str, said: str) -> None:
    """As far as the cluster knows it; else where it stands."""
    with pytest.raises(Refused, match=said):
        follow(cast("DataApi", Server(run("failed", failure))), "p", "p-1")


def test_a_run_that_is_gone_is_named() -> None:
    """The data API of a local stack forgets runs when it starts again."""
    with pytest.raises(UnknownName, match="p-1 is no longer known"):
        follow(cast("DataApi", Server(None)), "p", "p-1")
