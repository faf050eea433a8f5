"""The serving Deployments: which there are, and what each inherits."""

from __future__ import annotations

from typing import Any

from chart_rendering import Object, objects_in, pod_of, rendered

TWO = {"source": {"builtin": True}, "pipelines": [{"name": "a1"}, {"name": "b2"}]}
OUTSIDE = {
    "ingress": {"enabled": True, "host": "predict.example.com", "tlsSecret": "tls"},
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "public"}],
        "hostnames": ["predict.example.com"],
    },
}


def serving(values: dict[str, Any]) -> dict[str, Object]:
    """Name -> first container, of every serving Deployment."""
    found = {
        each["metadata"]["name"]: pod_of(each)
        for each in objects_in(rendered(values))
        if each["kind"] == "Deployment"
    }
    return {name: pod["containers"][0] for name, pod in found.items() if pod and "-serving" in name}


def test_a_group_may_switch_off_what_the_main_one_has() -> None:
    """`sklearn: false` of a group counts, though the main Deployment's is true.

    What a group does not say it inherits.
    """
    group = {
        "name": "g",
        "models": ["a1"],
        "sklearn": False,
        "resources": {"requests": {"cpu": "2"}},
    }
    found = serving(TWO | {"serving": {"groups": [group]}})

    assert "mlplatform-serving-sklearn:0.1.0" == found["mlplatform-serving"]["image"]
    assert "mlplatform-serving:0.1.0" == found["mlplatform-serving-g"]["image"]
    assert ("2", "512Mi") == tuple(
        found["mlplatform-serving-g"]["resources"]["requests"][key] for key in ("cpu", "memory")
    )


def test_without_a_pipeline_no_serving_pod_is_made() -> None:
    """A pod without a pipeline would end at its start again and again: there is none.

    There is no Ingress to it either, and the notes say what comes next.
    """
    made = rendered({"source": {"builtin": True}, "serving": OUTSIDE})
    kinds = {
        each["kind"]
        for each in objects_in(made)
        if each["metadata"]["labels"]["app.kubernetes.io/component"] in ("serving", "check")
    }

    assert {"ServiceAccount", "NetworkPolicy"} == kinds
    assert "nothing yet: `pipelines` is empty" in made["NOTES.txt"]
    assert (
        "helm -n ml upgrade mlplatform … --reuse-values --set pipelines[0].name=…"
        in made["NOTES.txt"]
    )


def test_grpc_has_a_port_of_its_own_where_it_is_wanted() -> None:
    """Container, Service and NetworkPolicy name it, and none of them does by default."""
    usual = serving(TWO)["mlplatform-serving"]
    made = rendered(TWO | {"serving": {"grpc": {"enabled": True}}})
    found = [each for each in objects_in(made) if each["metadata"]["name"] == "mlplatform-serving"]
    of = {each["kind"]: each for each in found}
    pod = pod_of(of["Deployment"])
    assert pod is not None

    assert ["http"] == [port["name"] for port in usual["ports"]]
    assert {"http": 8080, "grpc": 8001} == {
        port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]
    }
    assert {"http": 8080, "grpc": 8001} == {
        port["name"]: port["port"] for port in of["Service"]["spec"]["ports"]
    }
    assert {"name": "MLPLATFORM_SERVING__GRPC_PORT", "value": "8001"} in pod["containers"][0]["env"]
    assert ["http", "grpc"] == [
        port["port"] for rule in of["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]
    ]


def test_an_outbox_may_have_a_volume_of_its_own() -> None:
    """Then each group is a StatefulSet with the very pods of the Deployment but for that volume.

    The volume outlives pod, scale and release, and an uninstall finds it by the release's labels.
    """
    groups = {"groups": [{"name": "g", "models": ["b2"]}], "autoscaling": {"enabled": False}}
    kept = {"volume": "persistent", "storage": "3Gi", "storageClass": "fast"}
    usual, made = (
        {
            each["metadata"]["name"]: each
            for each in objects_in(rendered(TWO | {"serving": groups | more}))
            if each["metadata"]["name"].startswith("mlplatform-serving")
            and each["kind"] in ("Deployment", "StatefulSet")
        }
        for more in ({}, {"outbox": kept})
    )

    assert ["mlplatform-serving", "mlplatform-serving-g"] == sorted(made)
    for name, found in made.items():
        spec, before = found["spec"], usual[name]["spec"]
        (claim,) = spec["volumeClaimTemplates"]
        assert ("StatefulSet", "Deployment") == (found["kind"], usual[name]["kind"])
        assert ("Parallel", 2, before["selector"]) == (
            spec["podManagementPolicy"],
            spec["replicas"],
            spec["selector"],
        )
        assert {"whenScaled": "Retain", "whenDeleted": "Retain"} == (
            spec["persistentVolumeClaimRetentionPolicy"]
        )
        assert ("outbox", "fast", "3Gi") == (
            claim["metadata"]["name"],
            claim["spec"]["storageClassName"],
            claim["spec"]["resources"]["requests"]["storage"],
        )
        assert spec["selector"]["matchLabels"] == claim["metadata"]["labels"]
        assert _without_outbox(before["template"]) == spec["template"]


def _without_outbox(template: Object) -> Object:
    """A pod template without the volume on its node, and the disk that it asks of that."""
    pod = template["spec"]
    pod["volumes"] = [each for each in pod["volumes"] if each["name"] != "outbox"]
    del pod["initContainers"][0]["resources"]["requests"]["ephemeral-storage"]
    return template


def test_the_shipper_knows_whether_answers_wait_for_it() -> None:
    """It has the durability of serving, in whatever mode."""
    values = TWO | {"settings": {"serving": {"durability": "replicated"}}}
    pods = [pod_of(each) for each in objects_in(rendered(values)) if each["kind"] == "Deployment"]
    (pod,) = (each for each in pods if each and each["containers"][0]["name"] == "serving")
    name = "MLPLATFORM_SERVING__DURABILITY"

    assert ["replicated", "replicated"] == [
        each["value"]
        for container in (*pod["initContainers"], *pod["containers"])
        for each in container["env"]
        if each["name"] == name
    ]


def test_the_notes_say_what_an_answer_does_not_outlive() -> None:
    """One copy of each request is not what `replicated` is chosen for; `interval` may lose some."""
    one, three, interval = (
        rendered(TWO | {"kafka": {"nodes": nodes}, "settings": settings})["NOTES.txt"]
        for nodes, settings in (
            (1, {"serving": {"durability": "replicated"}}),
            (3, {"serving": {"durability": "replicated"}, "queue": {"replication_factor": 3}}),
            (1, {"serving": {"durability": "interval"}}),
        )
    )

    assert "not of the broker's" in one
    assert "not of the broker's" not in three
    assert "in the last 100 ms" in interval


def test_each_of_several_workers_has_a_port_for_its_metrics() -> None:
    """Scrapers reach one per worker; a single process has none, since it shows them on its own."""
    peers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    one = TWO | {"networkPolicy": {"monitoring": peers}}
    three = one | {"settings": {"serving": {"workers": 3}}}

    assert ([], [9101, 9102, 9103]) == (_worker_ports(one), _worker_ports(three))
    assert (False, True) == tuple(
        {"port": 9101, "endPort": 9103} in _monitored(values) for values in (one, three)
    )


def _worker_ports(values: dict[str, Any]) -> list[int]:
    (container,) = serving(values).values()
    return [
        port["containerPort"] for port in container["ports"] if port["name"].startswith("metrics")
    ]


def _monitored(values: dict[str, Any]) -> list[Object]:
    """Ports of serving's policy."""
    (policy,) = (
        each
        for each in objects_in(rendered(values))
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"].endswith("-serving")
    )
    return [port for rule in policy["spec"]["ingress"] for port in rule["ports"]]
