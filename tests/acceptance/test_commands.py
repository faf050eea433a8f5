"""The commands of the README on the running platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from standalone_child import served

from mlplatform.client.serving import ServingClient

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole tour

FEATURES = Path(__file__).parents[2] / "pipelines" / "diabetes" / "features.py"
PARCEL = {
    "carrier": "swift",
    "region": None,
    "distance_km": 900.0,
    "weight_kg": 2.5,
    "items": 1,
    "weekday": 5,
    "temperature_c": -12.0,
    "express": False,
}


def test_status_shows_all_processes(stack) -> None:
    """`status` lists every process as ready, with where to find it."""
    found = stack.json("status")

    assert found["well"]
    assert {"breast-cancer", "diabetes", "late-delivery"} == set(found["versions"])
    assert {"ready"} == {process["state"] for process in found["processes"].values()}
    assert {
        "serving",
        "dataapi",
        "mlflow",
        "postgres-primary",
        "postgres-standby",
        "consumer",
        "etl",
        "shipper",
    } == set(found["processes"])


def test_predict_answers_and_counts(stack, wait) -> None:
    """A prediction by hand comes from the version that serves; the balance counts its request."""
    before = stack.json("balance")["requests"]["stored"]
    answer = stack.json("predict", "late-delivery", "--row", json.dumps(PARCEL), "--id", "order-7")
    stored = wait(lambda: (now := stack.json("balance")["requests"]["stored"]) > before and now)

    assert answer["predictions"][0] in ("late", "on_time")
    assert pytest.approx(1.0, abs=1e-5) == sum(answer["probabilities"][0].values())
    assert "order-7" == answer["client_id"]
    assert stored == before + 1


def test_predict_without_a_row_shows_one(stack) -> None:
    """Without rows the command shows one that works, for people who don't know the columns."""
    refused = stack.cli("predict", "late-delivery", ok=False)
    hint = refused.stderr.partition("--row '")[2].partition("'")[0]

    assert 1 == refused.returncode
    assert "late-delivery" == stack.json("predict", "late-delivery", "--row", hint)["model"]


def test_a_bad_row_is_refused_by_column(stack) -> None:
    """A row that breaks its contract ends with one line that names the column, and no traceback."""
    refused = stack.cli(
        "predict", "late-delivery", "--row", json.dumps(PARCEL | {"items": "many"}), ok=False
    )

    assert 1 == refused.returncode
    assert refused.stderr.startswith("error: rows[0].items")
    assert "Traceback" not in refused.stderr


def test_import_takes_the_good_and_keeps_the_bad(stack, wait, tmp_path) -> None:
    """Rows of a file become features, once even if sent twice; a bad row goes to quarantine.

    With --wait the command says so itself.
    """
    rows = [json.loads(line) for line in stack_example("diabetes")][:3]
    rows[2] |= {"bmi": 1_000.0}
    file = tmp_path / "rows.ndjson"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = stack.json("balance")["rows"]["diabetes"]
    first = stack.json("import", "diabetes", str(file), "--wait")
    again = stack.cli("import", "diabetes", str(file), "--wait").stdout
    after = wait(  # it is counted on a standby, which may be a moment behind
        lambda: (
            (now := stack.json("balance")["rows"]["diabetes"])["waiting"] == 0
            and now["raw"] > before["raw"]
            and now
        )
    )
    found = first["etl"]

    assert 3 == first["accepted"]
    assert (2, 1, True) == (found["featured"], found["quarantined"], found["only_these_rows"])
    assert ["bmi"] == [each["column_name"] for each in found["first_quarantined"]]
    assert [
        "3 rows accepted; etl will check them",
        "etl has checked them all before this import; `mlplatform balance` counts them",
    ] == again.splitlines()
    assert (3, 2) == (after["raw"] - before["raw"], after["featured"] - before["featured"])
    assert 1 == after["quarantined"] - before["quarantined"]


def test_rollback_and_promote(stack, wait) -> None:
    """A rollback brings the version before back, a promotion undoes it; both are on record."""
    before = stack.json("status")["versions"]["breast-cancer"]
    stack.json("rollback", "breast-cancer", "--why", "the new one looks odd")
    row = (
        stack.cli("predict", "breast-cancer", ok=False)
        .stderr.partition("--row '")[2]
        .partition("'")[0]
    )
    wait(lambda: stack.json("predict", "breast-cancer", "--row", row)["version"] != before)
    stack.json("promote", "breast-cancer", before, "--why", "it was the data")
    wait(lambda: stack.json("predict", "breast-cancer", "--row", row)["version"] == before)
    record = stack.json("models", "breast-cancer")["promotions"]

    assert ["it was the data", "the new one looks odd"] == [entry["why"] for entry in record[:2]]


def test_a_trained_version_waits_for_a_person(stack, wait) -> None:
    """`train` ends with a version that waits if its pipeline says so; `approve` lets it answer."""
    made = stack.json("train", "late-delivery", "--why", "trying it out")
    decided = stack.json("approve", "late-delivery", "--why", "looks good")
    answers = wait(lambda: stack.json("status")["versions"]["late-delivery"] == made["version"])

    assert (made["outcome"], decided["version"], decided["state"], answers) == (
        "candidate",
        made["version"],
        "champion",
        True,
    )


def test_settings_name_a_platform_elsewhere(stack, tmp_path) -> None:
    """Addresses and a token in the environment replace a stack; the data API runs trainings."""
    state = stack.json("status")
    token = json.loads((stack.home / "secrets" / "tokens.json").read_text())["admin"]
    where = {
        "MLPLATFORM_DATAAPI__URL": state["urls"]["dataapi"],
        "MLPLATFORM_DATAAPI__TOKEN": token,
        "MLPLATFORM_SERVING__URL": state["urls"]["serving"],
        "MLPLATFORM_REGISTRY__URL": state["urls"]["mlflow"],
    }

    def remote(*words: str) -> str:
        argv = [sys.executable, "-m", "mlplatform", *words]
        done = subprocess.run(
            argv, cwd=tmp_path, env=os.environ | where, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    assert json.loads(remote("check", "diabetes", "--json"))["ok"]
    assert "champion" == json.loads(remote("train", "breast-cancer", "--json"))["outcome"]


def test_an_exported_version_answers_alone(stack, tmp_path) -> None:
    """`export` brings the very files and the features code; `serve` needs nothing else."""
    folder = tmp_path / "diabetes"
    said = stack.cli("export", "diabetes@champion", str(folder)).stdout
    again = stack.cli("export", "diabetes", str(folder), ok=False)
    unknown = stack.cli("export", "diabetes@9999", str(tmp_path / "other"), ok=False)
    row = json.loads(stack.cli("example", "diabetes", "-n", "1", home=False).stdout)
    row = {name: value for name, value in row.items() if name != "progression"}
    platform = stack.json("predict", "diabetes", "--row", json.dumps(row))
    with served(folder, "--no-outbox") as url, ServingClient(url, None) as client:
        alone = client.predict("diabetes", [row])

    assert (folder / "features.py").read_bytes() == FEATURES.read_bytes()
    assert platform["predictions"] == alone.predictions
    assert "diabetes version" in said
    assert "is there already" in again.stderr
    assert "has no 9999" in unknown.stderr
    assert not (tmp_path / "other").exists()


def test_backup_is_whole(stack) -> None:
    """A snapshot is complete; restoring over a registry in use is refused without --force."""
    made = stack.json("backup", "create")
    found = stack.json("backup", "verify")
    refused = stack.cli("backup", "restore", ok=False)

    assert (found["snapshot"], found["damaged"]) == (made["snapshot"], [])
    assert 1 == refused.returncode
    assert "--force" in refused.stderr


def test_doctor_finds_it_well(stack) -> None:
    """`doctor` finds nothing missing."""
    found = stack.json("doctor")

    assert found["ok"]
    assert {"python", "postgres", "pipelines", "stack", "serving"} <= {
        finding["subject"] for finding in found["findings"]
    }


def test_logs_are_there(stack) -> None:
    """Every process has a log, and `logs` prints it."""
    assert "diabetes version 2" in stack.cli("logs", "trainer-diabetes", "-n", "5").stdout
    assert "| " in stack.cli("logs", "-n", "1").stdout
    assert 1 == stack.cli("logs", "nobody", ok=False).returncode


def stack_example(name: str) -> list[str]:
    """Example rows as the command prints them."""
    done = subprocess.run(
        [sys.executable, "-m", "mlplatform", "example", name],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()
