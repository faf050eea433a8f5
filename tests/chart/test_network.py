"""The NetworkPolicies are the arrows of the architecture, no more and no less."""

from __future__ import annotations

from typing import Any

from chart_rendering import Object, files, objects_in

COMPONENT = "app.kubernetes.io/component"
ARROWS = {
    "serving": {"dataapi", "mlflow", "source", "kafka"},
    "consumer": {"kafka", "postgres"},
    "etl": {"postgres", "source"},
    "dataapi": {"postgres", "mlflow"},
    "trainer": {"dataapi", "mlflow", "source"},
    "mlflow": {"postgres"},
    "backup": {"postgres", "mlflow"},
    "apply": {"dataapi", "source"},
    "retention": {"dataapi"},
    "check": {"dataapi", "serving", "mlflow"},
    "postgres": {"postgres"},
    "kafka": {"kafka"},
    "source": set(),
}
"""From a component to the components that it may call."""


def policies(name: str) -> dict[str, Object]:
    """Component -> spec of its own policy."""
    found = [each for each in objects_in(files(name)) if each["kind"] == "NetworkPolicy"]
    return {
        each["spec"]["podSelector"]["matchLabels"][COMPONENT]: each["spec"]
        for each in found
        if COMPONENT in each["spec"]["podSelector"]["matchLabels"]
    }


def named(rules: list[Any], side: str) -> set[str]:
    """Components that the rules name as peers."""
    peers = [peer for rule in rules for peer in rule.get(side, ())]
    return {
        peer["podSelector"]["matchLabels"][COMPONENT]
        for peer in peers
        if COMPONENT in peer.get("podSelector", {}).get("matchLabels", {})
    }


def test_egress_is_the_arrows() -> None:
    """Each component may call exactly those that it has an arrow to."""
    assert ARROWS == {
        component: named(spec["egress"], "to") for component, spec in policies("kind").items()
    }


def test_ingress_answers_the_arrows() -> None:
    """Each component lets in exactly those that have an arrow to it.

    Serving and the data API let in clients as well.
    """
    expected = {
        target: {origin for origin, targets in ARROWS.items() if target in targets}
        for target in ARROWS
    }
    found = {
        component: named(spec["ingress"] or [], "from")
        for component, spec in policies("small").items()
        if component != "source"
    }

    assert {target: origins for target, origins in expected.items() if target in found} == found


def test_nobody_else_reaches_postgres() -> None:
    """Only processes with a database role, and the servers themselves, may reach the servers."""
    assert {"dataapi", "consumer", "etl", "mlflow", "backup", "postgres"} == {
        component
        for component, spec in policies("kind").items()
        if "postgres" in named(spec["egress"], "to")
    }


def test_all_pods_are_denied_first() -> None:
    """A policy without rules selects every pod of the release."""
    deny = next(
        each
        for each in objects_in(files("kind"))
        if each["metadata"]["name"] == "mlplatform-default-deny"
    )

    assert {"podSelector", "policyTypes"} == set(deny["spec"])
    assert {
        "app.kubernetes.io/name": "mlplatform",
        "app.kubernetes.io/instance": "mlplatform",
    } == deny["spec"]["podSelector"]["matchLabels"]


def test_the_outside_is_open_only_where_it_is_outside() -> None:
    """With everything in the cluster, no egress but the API server's leaves it.

    Each external server opens only its own connections.
    """
    inside = {
        component
        for component, spec in policies("kind").items()
        if any("ipBlock" in str(rule) for rule in spec["egress"])
    }
    outside = {
        component
        for component, spec in policies("external").items()
        if "192.0.2.0/24" in str(spec["egress"])
    }

    assert {"dataapi", "postgres"} == inside
    assert {"serving", "consumer", "etl", "dataapi", "trainer", "apply", "check"} == outside


def test_no_default_reaches_the_metadata_service() -> None:
    """Where any address is allowed, the one that hands out a cloud's credentials is not."""
    blocks = [
        peer["ipBlock"]
        for name in ("default", "small", "kind", "ha")
        for spec in policies(name).values()
        for rule in spec["egress"]
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
    ]

    assert [["169.254.169.254/32"]] * len(blocks) == [block.get("except") for block in blocks]
    assert [] != blocks


def test_scrapers_come_in_by_number() -> None:
    """The port of /metrics is given by number.

    Some plugins resolve no names of a sidecar's ports.
    """
    found = policies("small")
    ports = [
        rule["ports"]
        for component in ("serving", "consumer", "etl")
        for rule in found[component]["ingress"]
        if "monitoring" in str(rule)
    ]

    assert [[{"port": 9090}]] * 3 == ports


def test_a_ray_cluster_is_let_in_where_it_is_named() -> None:
    """Trainers reach its dashboard, its pods the data API and the registry, nobody else anybody."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ray"}}}
    found = policies("every-key")
    reaches = {name for name, spec in found.items() if str(peer) in str(spec["egress"])}
    lets_in = {name for name, spec in found.items() if str(peer) in str(spec["ingress"])}

    assert ({"trainer"}, {"dataapi"}) == (reaches, lets_in - {"mlflow"})
    assert {"to": [peer], "ports": [{"port": 8266}]} in found["trainer"]["egress"]
    assert {"from": [peer], "ports": [{"port": "http"}]} in found["dataapi"]["ingress"]
    assert not any("ray" in str(spec) for spec in policies("kind").values())


def test_what_lies_outside_is_as_the_values_say() -> None:
    """Names, the API server and the outside lie where the values say, ports included."""
    found = policies("every-key")
    made = objects_in(files("every-key"))
    dns = next(
        each["spec"]
        for each in made
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "plat-dns"
    )
    rule = {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}

    assert [
        {
            "to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}],
            "ports": [{"port": 53, "protocol": "UDP"}],
        }
    ] == dns["egress"]
    assert {"to": [{"ipBlock": {"cidr": "198.51.100.7/32"}}], "ports": [{"port": 443}]} in found[
        "dataapi"
    ]["egress"]
    assert {"trainer", "serving", "etl", "apply", "consumer", "postgres", "mlflow"} == {
        component for component, spec in found.items() if rule in spec["egress"]
    }
