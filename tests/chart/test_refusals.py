"""Combinations of values that make no sense are refused, each with its own sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chart_rendering import CHART, SMALLEST, Object, chart_on

ONE = [{"name": "a1"}]
LONG = "a" * 40
CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"pipelines": [{"name": LONG}]},
        (
            f"pipelines: 'mlplatform-trainer-{LONG}' is longer than the 52 characters of a "
            f"CronJob's name: shorten the pipeline's name, "
            "the release's or fullnameOverride"
        ),
    ),
    ({"pipelines": [{"name": "a1"}, {"name": "a1"}]}, "pipelines: a name is listed twice"),
    ({"serving": {"models": ["b2"]}}, "serving: 'b2' is not listed in pipelines"),
    (
        {
            "pipelines": ONE,
            "serving": {"models": ["a1"], "groups": [{"name": "g", "models": ["a1"]}]},
        },
        "serving: a pipeline is served by two Deployments; its Ingress path would be ambiguous",
    ),
    (
        {
            "pipelines": [{"name": "a1"}, {"name": "b2"}],
            "serving": {
                "groups": [{"name": "g", "models": ["a1"]}, {"name": "g", "models": ["b2"]}]
            },
        },
        "serving.groups: a name is listed twice",
    ),
    (
        {"pipelines": ONE, "serving": {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}},
        "serving.autoscaling: minReplicas 5 is above maxReplicas 3",
    ),
    (
        {
            "pipelines": ONE,
            "serving": {"groups": [{"name": "g", "models": ["a1"], "minReplicas": 99}]},
        },
        "serving.groups 'g': minReplicas 99 is above maxReplicas 10",
    ),
    (
        {"pipelines": ONE, "serving": {"outbox": {"volume": "persistent", "storage": "512Mi"}}},
        ("serving.outbox.storage: 512Mi can't hold settings.outbox.capacity_bytes, 536870912"),
    ),
    (
        {"source": {"builtin": True, "url": "https://git.example.com/x"}},
        "source: url and builtin exclude each other",
    ),
    (
        {"source": {"url": ""}},
        (
            "source.url: name the git repository with your pipelines (or source.builtin: true "
            "for a trial)"
        ),
    ),
    (
        {"source": {"existingSecret": "token"}},
        (
            "source.existingSecret: settings.source.username is missing (many hosts take any, "
            "e.g. 'git')"
        ),
    ),
    (
        {"trainer": {"ray": {"peers": [{"podSelector": {}}]}}},
        "trainer.ray.address: existingSecret and peers are nothing without it",
    ),
    (
        {"trainer": {"ray": {"address": "http://ray:8265"}}},
        (
            "trainer.ray.peers: name Ray's pods, or the NetworkPolicies keep the trainer from them "
            "and them from the data API and MLflow"
        ),
    ),
    (
        {"postgres": {"enabled": False}},
        "postgres.external.existingSecret: needed with postgres.enabled: false",
    ),
    (
        {"postgres": {"external": {"existingSecret": "urls"}}},
        "postgres.external: only with postgres.enabled: false",
    ),
    (
        {"postgres": {"synchronous": "required"}},
        (
            "postgres.synchronous: required needs postgres.instances of 3 or more: with one "
            "standby, its restart would stop every write"
        ),
    ),
    (
        {"postgres": {"smartShutdownSeconds": 120}},
        "postgres.smartShutdownSeconds: must be below stopSeconds",
    ),
    (
        {"kafka": {"mode": "external"}},
        "kafka.external.bootstrapServers: needed with kafka.mode: external",
    ),
    (
        {
            "kafka": {"mode": "external", "external": {"bootstrapServers": "k:9092"}},
            "settings": {"queue": {"security_protocol": "SASL_SSL"}},
        },
        (
            "settings.queue.security_protocol: SASL needs kafka.external.saslSecret and "
            "settings.queue.sasl_mechanism"
        ),
    ),
    (
        {"kafka": {"external": {"bootstrapServers": "k:9092"}}},
        "kafka.external: only with kafka.mode: external",
    ),
    (
        {"settings": {"queue": {"security_protocol": "SSL"}}},
        (
            "settings.queue.security_protocol: the builtin Kafka offers only PLAINTEXT, inside "
            "NetworkPolicies; take kafka.mode: external for more"
        ),
    ),
    (
        {"settings": {"queue": {"replication_factor": 3}}},
        "settings.queue.replication_factor: 3 copies need as many brokers, kafka.nodes is 1",
    ),
    (
        {"settings": {"queue": {"min_insync_replicas": 2}}},
        "settings.queue.min_insync_replicas: can't be above replication_factor",
    ),
    (
        {"consumer": {"replicas": 7}},
        (
            "consumer.replicas: 7 pods share 6 partitions (settings.queue.partitions); the "
            "rest would be idle"
        ),
    ),
    ({"mlflow": {"enabled": False}}, "mlflow.url: needed with mlflow.enabled: false"),
    (
        {"mlflow": {"existingSecret": "user"}},
        (
            "mlflow.existingSecret: only with mlflow.enabled: false; the chart's own server "
            "needs no password, inside NetworkPolicies"
        ),
    ),
    ({"mlflow": {"url": "http://mlflow"}}, "mlflow.url: only with mlflow.enabled: false"),
    (
        {"mlflow": {"enabled": False, "url": "http://mlflow"}},
        (
            "backup.enabled: snapshots are made of the chart's own MLflow; with "
            "mlflow.enabled: false, set it to false and back up yours"
        ),
    ),
    (
        {"dataapi": {"ingress": {"enabled": True}}},
        (
            "dataapi.ingress: host and tlsSecret are needed, since bearer tokens must not "
            "travel in the clear"
        ),
    ),
    (
        {"serving": {"httpRoute": {"enabled": True}}},
        "serving.httpRoute: parentRefs and hostnames are needed",
    ),
    (
        {"serving": {"service": {"nodePort": 30080}}},
        "serving.service.nodePort: only with type: NodePort",
    ),
    (
        {
            "serving": {"ingress": {"enabled": True, "host": "h", "tlsSecret": "s"}},
            "settings": {"serving": {"auth": "none"}},
        },
        "settings.serving.auth: none together with an Ingress or HTTPRoute lets everybody in",
    ),
    (
        {"access": {"callers": [{"name": "admin", "roles": ["reader"]}]}},
        "access.callers: 'admin' is the platform's own",
    ),
    (
        {"networkPolicy": {"externalCIDR": "192.0.2.0/24"}},
        (
            "networkPolicy.externalCIDR -> networkPolicy.external: a list of egress rules, "
            "e.g. [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]"
        ),
    ),
    (
        {"networkPolicy": {"apiServerCIDR": "192.0.2.7/32"}},
        (
            "networkPolicy.apiServerCIDR -> networkPolicy.apiServer: a list of egress rules, "
            "e.g. [{to: [{ipBlock: {cidr: 192.0.2.7/32}}]}]"
        ),
    ),
    (
        {"settings": {"outbox": {"segment_bytes": 400_000_000}}},
        "settings.outbox.segment_bytes: capacity_bytes must hold at least two segments",
    ),
]

CLUSTER: Object = {"kind": "Cluster"}
BROKER: Object = {"kind": "PersistentVolumeClaim"}
EXTERNAL = {"mode": "external", "external": {"bootstrapServers": "k:9092"}}
ONE_BROKER = {"PersistentVolumeClaim/data-mlplatform-kafka-0": BROKER}
THREE_BROKERS = {
    f"PersistentVolumeClaim/data-mlplatform-kafka-{number}": BROKER for number in range(3)
}
SWITCHES: list[tuple[dict[str, Object], dict[str, Any], str]] = [
    (
        ONE_BROKER,
        {"kafka": {"nodes": 3}},
        (
            "kafka.nodes: is decided by the first install. There are volumes of 1 "
            "broker(s), and a quorum of 3 beside them could begin "
            "without their records: keep 1, or move the queue as docs/start/cluster.md says"
        ),
    ),
    (
        {"StatefulSet/mlplatform-kafka": {"kind": "StatefulSet"}},
        {"kafka": EXTERNAL},
        (
            "kafka.mode: the builtin Kafka would be deleted with the records that nobody "
            "has read yet: keep builtin, or move the queue as "
            "docs/start/cluster.md says and delete the StatefulSet mlplatform-kafka"
        ),
    ),
    (
        {"Cluster/mlplatform-postgres": CLUSTER},
        {"postgres": {"separateRaw": True}},
        (
            "postgres.separateRaw: is decided by the first install. The rows of raw lie in "
            "the Cluster mlplatform-postgres, and one of "
            "their own would begin empty: keep false, or make the Cluster mlplatform-raw "
            "with these rows first"
        ),
    ),
    (
        {"Cluster/mlplatform-postgres": CLUSTER, "Cluster/mlplatform-raw": CLUSTER},
        {},
        (
            "postgres.separateRaw: is decided by the first install. The rows of raw lie in "
            "the Cluster mlplatform-raw: keep true, or "
            "delete that Cluster when nobody needs them"
        ),
    ),
    (
        {"Cluster/mlplatform-postgres": CLUSTER, "Cluster/mlplatform-raw-2": CLUSTER},
        {},
        (
            "postgres.raw.shards: no raw server can be taken away. Rows lie in the Cluster "
            "mlplatform-raw-2: ask for as many as before, or delete that Cluster when nobody "
            "needs them"
        ),
    ),
    ({"Cluster/mlplatform-postgres": CLUSTER}, {"postgres": {"raw": {"shards": 2}}}, ""),
    (THREE_BROKERS, {"kafka": {"nodes": 3}}, ""),
    (ONE_BROKER, {"kafka": EXTERNAL}, ""),
    (
        {"Cluster/mlplatform-postgres": CLUSTER, "Cluster/mlplatform-raw": CLUSTER},
        {"postgres": {"separateRaw": True}},
        "",
    ),
    ({"Cluster/mlplatform-postgres": CLUSTER}, {}, ""),
]
"""What the cluster holds, the values of an upgrade, and what the chart says of them."""


@pytest.mark.parametrize(("values", "said"), CASES)
def test_refused_with_its_message(
    values: dict[str, Any], said: str, refusal: Callable[..., str]
) -> None:
    """The combination is refused, and the sentence names the key and what to do."""
    source = {"source": {"url": "https://git.example.com/x"} | values.get("source", {})}

    assert said == refusal(values | source).split("): ", 1)[-1]


@pytest.mark.parametrize(("found", "values", "said"), SWITCHES)
def test_switches_that_lose_something_are_refused(
    tmp_path: Path,
    found: dict[str, Object],
    values: dict[str, Any],
    said: str,
    refusal: Callable[..., str],
) -> None:
    """An upgrade can't change what the first install decided: records or rows would stay behind."""
    assert said == refusal(SMALLEST | values, chart_on(tmp_path, found)).split("): ", 1)[-1]


def test_every_refusal_has_a_case() -> None:
    """No refusal of the template goes untested."""
    template = (CHART / "templates" / "refusals.yaml").read_text()
    known = [case[-1] for case in (*CASES, *SWITCHES)]
    texts = re.findall(r'fail \(?(?:printf )?"([^"]+)"', template)

    assert [] == [
        text
        for text in texts
        if not any(re.fullmatch(re.sub(r"%[sd]", ".*", re.escape(text)), said) for said in known)
    ]
