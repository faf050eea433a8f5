"""Tokens, passwords and what may outlive the release."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
import yaml
from chart_rendering import CHART, SMALLEST, chart_on, files, objects_in, rendered

from mlplatform.access import AccessList, Role
from mlplatform.database import queries


def test_digests_belong_to_the_tokens(tmp_path: pytest.TempPathFactory) -> None:
    """The mounted digests let in exactly the tokens that callers get, with their roles."""
    secret = next(
        each
        for each in objects_in(files("kind"))
        if each["metadata"]["name"] == "mlplatform-access"
    )
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    place = tmp_path / "tokens.yaml"
    place.write_text(data.pop("tokens.yaml"))
    known = AccessList.load(place)

    assert {
        "admin": (Role.ADMIN,),
        "trainer": (Role.TRAINER,),
        "serving": (Role.SERVING,),
        "retention": (Role.RETENTION,),
        "check": (Role.PREDICT, Role.READER, Role.WRITER),
        "client": (Role.PREDICT, Role.READER, Role.WRITER),
    } == {name: known.authenticate(f"Bearer {token}").roles for name, token in data.items()}
    assert {43} == {len(token) for token in data.values()}
    assert all(
        hashlib.sha256(token.encode()).hexdigest() in place.read_text() for token in data.values()
    )


def test_an_upgrade_keeps_passwords_and_tokens(tmp_path: Path) -> None:
    """What a Secret in the cluster holds stays; only what is missing is made.

    Of the key of hashed columns that matters most: another one would give other hashes.
    """
    old = {"data": {"password": base64.b64encode(b"old").decode()}}
    tokens = {"data": {"admin": base64.b64encode(b"old").decode()}}
    key = {"data": {"key": base64.b64encode(b"old").decode()}}
    chart = chart_on(
        tmp_path,
        {
            "Secret/mlplatform-postgres-owner": old,
            "Secret/mlplatform-access": tokens,
            "Secret/mlplatform-redaction": key,
        },
    )
    made = {
        each["metadata"]["name"]: each["data"]
        for each in objects_in(rendered(SMALLEST, chart=chart))
        if each["kind"] == "Secret"
    }

    assert old["data"]["password"] == made["mlplatform-postgres-owner"]["password"]
    assert tokens["data"]["admin"] == made["mlplatform-access"]["admin"]
    assert key["data"] == made["mlplatform-redaction"]
    assert 43 == len(base64.b64decode(made["mlplatform-access"]["trainer"]))


def test_whatever_stores_rows_gets_the_key_of_hashed_columns_and_nothing_else_does() -> None:
    """Serving, data API and etl make the same hashes; the trainer sees hashes only."""
    holders = {
        each["metadata"]["name"]
        for each in objects_in(files("kind"))
        if "mlplatform-redaction" in str(each.get("spec", ""))
    }

    assert {"mlplatform-serving", "mlplatform-dataapi", "mlplatform-etl"} == holders


def test_a_caller_that_is_taken_away_is_gone_after_the_upgrade() -> None:
    """The processes read the digests at their start.

    Another list of callers replaces their pods, the same one does not.
    """

    def pods(*callers: str) -> list[object]:
        values = SMALLEST | {
            "pipelines": [{"name": "a1"}],
            "access": {"callers": [{"name": name, "roles": ["reader"]} for name in callers]},
        }
        made = {
            each["metadata"]["name"]: each
            for each in objects_in(rendered(values))
            if each["kind"] == "Deployment"
        }
        return [made[f"mlplatform-{name}"]["spec"]["template"] for name in ("dataapi", "serving")]

    assert pods("one", "two") == pods("one", "two")
    assert [] == [pod for pod in pods("one") if pod in pods("one", "two")]


def test_what_cannot_be_made_again_is_kept() -> None:
    """Clusters, passwords, tokens and claims survive `helm uninstall`; nothing else does."""
    kept = {
        (each["kind"], each["metadata"]["name"])
        for each in objects_in(files("kind"))
        if each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    roles = ("owner", "consumer", "etl", "dataapi", "reader", "mlflow", "backup")

    assert {
        ("Cluster", "mlplatform-postgres"),
        ("Secret", "mlplatform-access"),
        ("Secret", "mlplatform-redaction"),
        *(("Secret", f"mlplatform-postgres-{role}") for role in roles),
        ("PersistentVolumeClaim", "mlplatform-mlflow"),
        ("PersistentVolumeClaim", "mlplatform-backup"),
    } == kept


def test_no_secret_stands_in_a_pod() -> None:
    """Passwords and tokens reach processes by reference only."""
    made = files("kind")
    secrets = [
        base64.b64decode(value).decode()
        for each in objects_in(made)
        if each["kind"] == "Secret"
        for key, value in each["data"].items()
        if key != "username"
    ]
    others = "".join(text for path, text in made.items() if "secret" not in path)

    assert [] == [secret for secret in secrets if secret in others]


def test_new_databases_get_the_statements_of_the_code() -> None:
    """Roles and the login trigger of a new Cluster are the statements that local mode runs."""
    made = yaml.safe_load((CHART / "files" / "postgres.yaml").read_text())
    cluster = next(each for each in objects_in(files("kind")) if each["kind"] == "Cluster")
    initdb = cluster["spec"]["bootstrap"]["initdb"]

    assert (made["roles"], made["login_trigger"]) == (
        initdb["postInitSQL"],
        initdb["postInitTemplateSQL"],
    )
    code = queries.load("roles")["login_trigger"].replace("$$", "$body$")

    assert [] == [statement for statement in made["login_trigger"] if statement not in code]
    assert "$$" not in str(made)  # Kubernetes would make one $ of them on the way


def test_the_release_can_have_any_name() -> None:
    """Two releases in one namespace share no object."""
    first, second = (
        {
            (each["kind"], each["metadata"]["name"])
            for each in objects_in(rendered({"source": {"builtin": True}}, release=name))
        }
        for name in ("one", "two")
    )

    assert set() == first & second
