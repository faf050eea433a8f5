"""NOTES.txt tells what runs, how to reach it, and what is unsafe, given these values."""

from __future__ import annotations

from chart_rendering import files, rendered


def test_a_trial_is_told_what_it_lacks() -> None:
    """The kind profile names each thing that a production would need."""
    notes = files("kind")["NOTES.txt"]

    for said in (
        "source.builtin is for trials",
        "postgres.plugins is empty",
        "postgres.synchronous is none",
        "kafka.nodes is 1",
        "dataapi.replicas is 1",
        "serving: port 30080 of every node",
        "create job --from=cronjob/mlplatform-trainer-breast-cancer retrain-1",
        "create job --from=cronjob/mlplatform-backup backup-1",
    ):
        assert said in notes


def test_nothing_is_unsafe_in_the_ha_profile() -> None:
    """Where everything that answers or stores is there twice, the notes name no danger."""
    notes = files("ha")["NOTES.txt"]

    assert "What is not safe" not in notes
    assert "serving: https://predict.example.com (through your Gateway)" in notes


def test_open_doors_are_named() -> None:
    """No authentication, no policies and no backup are called what they are."""
    notes = rendered(
        {
            "source": {"builtin": True},
            "networkPolicy": {"enabled": False},
            "backup": {"enabled": False},
            "dataapi": {"admissionPolicy": False},
            "settings": {"serving": {"auth": "none"}},
        }
    )["NOTES.txt"]

    for said in (
        "settings.serving.auth is none",
        "networkPolicy.enabled is false",
        "backup.enabled is false",
        "dataapi.admissionPolicy is false",
    ):
        assert said in notes
