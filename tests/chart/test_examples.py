"""k8s/examples fit what the chart renders.

A name that no longer matches would be noticed only when it is needed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from chart_rendering import CHART, SMALLEST, Object, chart_on, files, objects_in, pod_of, rendered

EXAMPLES = CHART.parents[1] / "k8s" / "examples"
CLUSTER_SCHEMA = json.loads((Path(__file__).parent / "schemas" / "cluster.json").read_text())
PLUGIN = {
    "name": "barman-cloud.cloudnative-pg.io",
    "isWALArchiver": True,
    "parameters": {"barmanObjectName": "backups"},
}


def patched(target: Any, patch: Any) -> Any:
    """A JSON merge patch, as `kubectl patch --type merge` applies it."""
    if not isinstance(patch, dict):
        return patch
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = patched(made.get(key), value)
    return made


def addresses(pod: Object) -> dict[str, str]:
    """Variable -> value of the first container, whatever the names of the password variables."""
    return {
        each["name"]: re.sub(r"\$\(\w+\)", "$()", each["value"])
        for each in pod["containers"][0]["env"]
        if "value" in each
    }


def test_the_registry_is_restored_where_the_backup_lies() -> None:
    """The Job has the backup's account, labels and volume, the owners' addresses and passwords.

    It holds no name that the chart does not make.
    """
    job = yaml.safe_load((EXAMPLES / "restore-registry.yaml").read_text())
    made = objects_in(files("kind"))
    pods = {
        each["metadata"]["name"]: (each, pod_of(each) or {})
        for each in made
        if each["kind"] in ("CronJob", "Deployment")
    }
    cronjob, backup = pods["mlplatform-backup"]
    pod = job["spec"]["template"]["spec"]
    migrations = {"containers": [*pods["mlplatform-dataapi"][1]["initContainers"]]}
    known = addresses(backup) | addresses(pods["mlplatform-mlflow"][1]) | addresses(migrations)
    secrets = [
        each["valueFrom"]["secretKeyRef"]
        for each in pod["containers"][0]["env"]
        if "valueFrom" in each
    ]

    kubernetes_validate.validate(job | {"metadata": {"name": "x"}}, "1.34", strict=True)
    assert (
        cronjob["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        == job["spec"]["template"]["metadata"]["labels"]
    )
    assert backup["serviceAccountName"] == pod["serviceAccountName"]
    assert {name: known[name] for name in addresses(pod)} == addresses(pod)
    assert {"mlplatform-postgres-mlflow", "mlplatform-postgres-owner"} == {
        each["name"] for each in secrets
    }
    assert "mlplatform-postgres-ca" in str(backup["volumes"])
    assert [each for each in backup["volumes"] if each["name"] == "backups"] == [
        each for each in pod["volumes"] if each["name"] == "backups"
    ]


def test_rows_are_restored_under_the_name_of_the_chart(tmp_path: Path) -> None:
    """The chart's own Cluster with the patch is one that the operator takes.

    The next upgrade leaves its beginning alone.
    """
    values = SMALLEST | {"postgres": {"plugins": [PLUGIN]}}
    cluster = next(each for each in objects_in(rendered(values)) if each["kind"] == "Cluster")
    restored = patched(cluster, json.loads((EXAMPLES / "restore-rows.json").read_text()))

    jsonschema.validate(restored["spec"], CLUSTER_SCHEMA)
    assert {"recovery"} == set(restored["spec"]["bootstrap"])
    assert (
        cluster["spec"]["bootstrap"]["initdb"]["secret"]
        == restored["spec"]["bootstrap"]["recovery"]["secret"]
    )

    chart = chart_on(tmp_path, {"Cluster/mlplatform-postgres": restored})
    upgraded = next(
        each for each in objects_in(rendered(values, chart=chart)) if each["kind"] == "Cluster"
    )

    assert restored["spec"]["bootstrap"] == upgraded["spec"]["bootstrap"]


def test_the_log_of_a_database_has_a_base() -> None:
    """Where a plugin archives the log, it takes whole backups of every Cluster as well.

    Without a plugin there is nothing to schedule.
    """
    backups = {
        each["metadata"]["name"]: each["spec"]
        for each in objects_in(files("ha"))
        if each["kind"] == "ScheduledBackup"
    }

    assert {"mlplatform-postgres", "mlplatform-raw", "mlplatform-raw-2"} == {
        spec["cluster"]["name"] for spec in backups.values()
    }
    assert ["plugin"] * 3 == [spec["method"] for spec in backups.values()]
    assert {PLUGIN["name"]} == {spec["pluginConfiguration"]["name"] for spec in backups.values()}
    assert "ScheduledBackup" not in {each["kind"] for each in objects_in(files("kind"))}


def test_secrets_of_your_own_are_left_alone() -> None:
    """With Secrets that somebody else makes, the chart renders none.

    Each rendering is then the same.
    """
    values = SMALLEST | {
        "postgres": {"existingSecrets": True},
        "access": {"existingSecret": "tokens"},
        "redaction": {"existingSecret": "redaction"},
    }

    assert rendered(values) == rendered(values)
    assert "Secret" not in {each["kind"] for each in objects_in(rendered(values))}


def test_the_ray_cluster_has_pods_that_kubernetes_takes() -> None:
    """KubeRay's own fields are looked at by nobody here, its pod templates are."""
    spec = yaml.safe_load((EXAMPLES / "raycluster.yaml").read_text())["spec"]
    templates = [spec["headGroupSpec"]["template"], spec["workerGroupSpecs"][0]["template"]]
    for template in templates:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **template}
        kubernetes_validate.validate(pod, "1.34", strict=True)

    named = {env["name"] for each in templates for env in each["spec"]["containers"][0]["env"]}
    assert {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"} == named
