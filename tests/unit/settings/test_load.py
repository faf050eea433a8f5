"""The settings tree: typed, frozen, and unknown names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mlplatform import settings
from mlplatform.errors import SettingsError


def test_environment_reaches_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with two underscores between group and field sets that field, with its type."""
    monkeypatch.setenv("MLPLATFORM_QUEUE__PARTITIONS", "12")

    assert 12 == settings.load().queue.partitions


def test_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo with our prefix stops the process and is named, instead of becoming a default."""
    monkeypatch.setenv("MLPLATFORM_QUEUE__PARTITION", "12")

    with pytest.raises(SettingsError, match="MLPLATFORM_QUEUE__PARTITION"):
        settings.load()


def test_variables_of_kubernetes_service_links_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLPLATFORM_DATAAPI_PORT=tcp://… (a service link) is not silently taken for a setting."""
    monkeypatch.setenv("MLPLATFORM_DATAAPI_PORT", "tcp://10.0.0.1:80")

    with pytest.raises(SettingsError, match="MLPLATFORM_DATAAPI_PORT"):
        settings.load()


def test_wrong_type_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the wrong type is refused with the variable's whole name."""
    monkeypatch.setenv("MLPLATFORM_SERVING__MAX_ROWS", "many")

    with pytest.raises(SettingsError) as refusal:
        settings.load()

    assert "MLPLATFORM_SERVING__MAX_ROWS" == refusal.value.field


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("diabetes", ("diabetes",)),
        ("diabetes, late-delivery,", ("diabetes", "late-delivery")),
        ('["diabetes", "late-delivery"]', ("diabetes", "late-delivery")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_lists_are_json_or_names_with_commas(
    written: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A list is names with commas or JSON, in a variable and in a file."""
    (tmp_path / "mlplatform_mlflow__allowed_hosts").write_text(written)
    monkeypatch.setenv(settings.SECRETS_DIR, str(tmp_path))
    monkeypatch.setenv("MLPLATFORM_SERVING__MODELS", written)

    assert (found, found) == (settings.load().serving.models, settings.load().mlflow.allowed_hosts)


@pytest.mark.parametrize("written", ['["diabetes"', '{"diabetes": 1}', '"diabetes"', "[1]"])
def test_a_list_that_is_none_names_the_variable(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half JSON, or JSON of something else, is refused with the variable's name."""
    monkeypatch.setenv("MLPLATFORM_SERVING__MODELS", written)

    with pytest.raises(SettingsError, match=r"^MLPLATFORM_SERVING__MODELS: "):
        settings.load()


def test_a_folder_of_secrets_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mount that failed must not look like secrets that were never set."""
    monkeypatch.setenv(settings.SECRETS_DIR, str(tmp_path / "nowhere"))

    with pytest.raises(
        SettingsError, match=r"^MLPLATFORM_SECRETS_DIR: there is no folder .*/nowhere"
    ):
        settings.load()


def test_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file named like the variable, in lower case, holds the value of a secret."""
    (tmp_path / "mlplatform_dataapi__token").write_text("s3cret")
    monkeypatch.setenv(settings.SECRETS_DIR, str(tmp_path))

    token = settings.load().dataapi.token

    assert token is not None
    assert "s3cret" == token.get_secret_value()


def test_the_environment_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable is nearer than a mounted folder, whatever else that holds."""
    (tmp_path / "mlplatform_queue__partitions").write_text("12\n")
    (tmp_path / "mlplatform_queue__topic").write_text("kept\n")
    (tmp_path / "..data").mkdir()
    monkeypatch.setenv(settings.SECRETS_DIR, str(tmp_path))
    monkeypatch.setenv("MLPLATFORM_QUEUE__PARTITIONS", "3")
    queue = settings.load().queue

    assert (3, "kept") == (queue.partitions, queue.topic)


def test_an_unknown_file_of_a_group_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A typo in a file's name is named like one in a variable."""
    (tmp_path / "mlplatform_queue__partition").write_text("12")
    monkeypatch.setenv(settings.SECRETS_DIR, str(tmp_path))

    with pytest.raises(SettingsError, match="MLPLATFORM_QUEUE__PARTITION"):
        settings.load()


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor str of the tree shows a password."""
    monkeypatch.setenv("MLPLATFORM_POSTGRES__RAW_DSN", "host=x password=hunter2")

    assert "hunter2" not in repr(settings.load()) + str(settings.load())


def test_tree_is_frozen() -> None:
    """Nobody changes a setting after it was read."""
    tree = settings.load()

    with pytest.raises(ValidationError):
        tree.queue.partitions = 3  # type: ignore[misc]


def test_every_field_is_documented() -> None:
    """Each setting has a sentence that says what it is for."""
    silent = [name for name, (_, _, info) in settings.fields().items() if not info.description]

    assert [] == silent


@pytest.mark.parametrize("empty", [None, "", ()])
def test_require_names_the_missing_setting(empty: object) -> None:
    """A process that lacks a setting it needs says which one."""
    with pytest.raises(SettingsError, match="MLPLATFORM_QUEUE__URL"):
        settings.require(empty, "queue", "url")


@pytest.mark.parametrize("prefix", ["/v1", "/v2/ml", "/models", "/docs/ml"])
def test_a_path_prefix_of_servings_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """Below it a path would mean two things."""
    monkeypatch.setenv("MLPLATFORM_SERVING__ROOT_PATH", prefix)

    with pytest.raises(SettingsError, match="own paths") as refusal:
        settings.load()

    assert "MLPLATFORM_SERVING__ROOT_PATH" == refusal.value.field


@pytest.mark.parametrize("prefix", ["", "/ml", "/v12", "/team/v1"])
def test_other_path_prefixes_are_taken(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Only the first part of it matters."""
    monkeypatch.setenv("MLPLATFORM_SERVING__ROOT_PATH", prefix)

    assert prefix == settings.load().serving.root_path
