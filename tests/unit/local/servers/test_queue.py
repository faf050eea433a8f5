from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.errors import Refused, SettingsError
from mlplatform.local.servers.queue import queue_of, refuse_another


def test_words_of_the_queue(tmp_path: Path) -> None:
    """`sqlite` is a file of the home, an address is taken as it is, and neither needs a process."""
    assert queue_of("sqlite", tmp_path, port=0).url == f"sqlite:///{tmp_path}/queue.sqlite"
    assert "kafka://h:9" == queue_of("kafka://h:9", tmp_path, port=0).url
    assert () == queue_of("sqlite", tmp_path, port=0).processes


def test_other_words_are_refused(tmp_path: Path) -> None:
    """A word that means nothing is refused, and the error says what would do."""
    with pytest.raises(
        SettingsError, match=r"'rabbit' is not a queue \(sqlite, kafka, or kafka://HOST:PORT"
    ):
        queue_of("rabbit", tmp_path, port=0)


def test_a_stack_keeps_its_queue() -> None:
    """Another queue than before is refused, with the ways out; the same one is not."""
    refuse_another("", "kafka")
    refuse_another("kafka", "kafka")

    with pytest.raises(
        Refused,
        match=r"queue is 'sqlite'.*--queue sqlite; or another stack.* or `mlplatform clean`",
    ):
        refuse_another("sqlite", "kafka")
