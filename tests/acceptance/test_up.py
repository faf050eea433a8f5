"""`make up` takes the whole tour on real data, and reports truthfully what it has shown."""

from __future__ import annotations

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import Unauthenticated

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour

MIB = 1024 * 1024
EXAMPLES = ["breast-cancer", "diabetes", "late-delivery"]


def test_every_example_is_retrained_and_answers(stack) -> None:
    """After the first start version 2 of every example answers, trained on the new labels too."""
    pipelines = stack.summaries[0]["pipelines"]

    assert sorted(pipelines) == EXAMPLES
    for line in pipelines.values():
        assert ["1", "2"] == line["versions"]
        assert line["training_rows"] == [line["imported"], line["imported"] + line["labelled"]]
        assert line["labelled"] == line["sent"] > 0


def test_every_answered_request_is_stored(stack) -> None:
    """Every live row that was answered is found in the data, and the balance closes."""
    summary = stack.summaries[0]

    assert [line["stored"] for line in summary["pipelines"].values()] == [
        line["sent"] for line in summary["pipelines"].values()
    ]
    assert [0] == [
        outbox["accepted"] - outbox["stored"] for outbox in summary["balance"]["outboxes"]
    ]
    assert [[]] == [outbox["missing"] for outbox in summary["balance"]["outboxes"]]


def test_training_read_a_standby(stack) -> None:
    """The receipt of every training's dataset names a standby."""
    assert {"standby"} == {
        line["trained_on"].split()[0] for line in stack.summaries[0]["pipelines"].values()
    }


def test_a_manual_pipeline_waited_for_a_person(stack) -> None:
    """Only the example that says so needed an approval; its record names who gave it."""
    pipelines = stack.summaries[0]["pipelines"]
    record = [
        entry
        for entry in stack.json("models", "late-delivery")["promotions"]
        if entry["version"] == "2"
    ]

    assert ["late-delivery"] == [
        name for name, line in pipelines.items() if line["approved_by_hand"]
    ]
    assert [
        ("approve", "admin"),
        ("propose", "trainer"),
    ] == [(entry["action"], entry["by"]) for entry in record][:2]


def test_the_whole_stack_is_small(stack) -> None:
    """All processes together stay below 1.5 GiB."""
    assert stack.summaries[0]["memory_total_bytes"] < 1536 * MIB


def test_the_promises_are_checked_from_outside(stack) -> None:
    """`mlplatform check` finds every promise kept."""
    found = stack.json("check")

    assert [] == [finding for finding in found["findings"] if finding["state"] != "ok"]
    assert len(found["findings"]) == 4 + 5 * len(EXAMPLES)


def test_serving_asks_for_a_token(stack) -> None:
    """Nobody gets a prediction without a token."""
    url = stack.summaries[-1]["urls"]["serving"]
    with ServingClient(url, None) as serving, pytest.raises(Unauthenticated):
        serving.predict("diabetes", [])


def test_the_data_api_asks_for_a_token(stack) -> None:
    """Nobody gets data without a token."""
    url = stack.summaries[-1]["urls"]["dataapi"]
    with DataApi(url, None) as api, pytest.raises(Unauthenticated):
        api.dataset_rows("diabetes.training", DatasetQuery())
