"""What became no row, what is proven of the rest, and what is past its days: by command."""

from __future__ import annotations

import json

import pytest

from mlplatform.queue import open_producer
from mlplatform.settings import QueueSettings

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour


def test_a_record_that_nobody_can_read_is_shown_and_given_up(stack, wait) -> None:
    """A dead letter: listed with its reason, shown as it came, dropped, and listed as that."""
    queue = QueueSettings(url=f"sqlite:///{stack.home / 'queue.sqlite'}")
    producer = open_producer(queue)
    producer.send([(b"key", b"no record of ours")])
    producer.close()
    (letter,) = wait(lambda: stack.json("deadletters", "list")["letters"])
    stack.cli("deadletters", "drop", str(letter["id"]), "--why", "sent by a test")

    assert letter["reason"].startswith("not a request record")
    assert "no record of ours" in stack.cli("deadletters", "show", str(letter["id"])).stdout
    assert [] == stack.json("deadletters", "list")["letters"]
    assert ["dropped"] == [
        each["state"] for each in stack.json("deadletters", "list", "--state", "any")["letters"]
    ]


def test_a_quarantined_row_is_corrected(stack, wait, tmp_path) -> None:
    """By the values that are wrong; one that would be refused again is refused at once."""
    row = json.loads(stack.cli("example", "diabetes", "-n", "1", home=False).stdout)
    (tmp_path / "row.ndjson").write_text(json.dumps(row | {"patient": "typo", "bmi": 2550}) + "\n")
    stack.cli("import", "diabetes", str(tmp_path / "row.ndjson"), "--wait")
    (entry,) = stack.json("quarantine", "list", "diabetes", "--reason", "2550")["entries"]
    words = ("quarantine", "correct", str(entry["id"]), "--why", "a comma was missing", "--set")
    refused = stack.cli(*words, "bmi=255", ok=False)
    stack.cli(*words, "bmi=25.5")
    wait(lambda: not stack.json("quarantine", "list", "diabetes", "--reason", "2550")["entries"])

    assert 1 == refused.returncode
    assert "255 is above 80" in refused.stderr
    assert 0 == stack.json("balance")["rows"]["diabetes"]["unaccounted"]


def test_stored_answers_are_proven(stack) -> None:
    """Of the tour's requests each is in a chain that closes."""
    found = stack.json("audit", "verify")

    assert found["ok"]
    assert sum(box["proven"] for box in found["outboxes"]) >= 60


def test_nothing_is_past_its_days(stack) -> None:
    """Of a platform that was made today."""
    assert "nothing is past its days\n" == stack.cli("retention", "run", "--dry-run").stdout
