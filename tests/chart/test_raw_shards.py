"""Several raw servers: a Cluster and a consumer each, and their addresses where they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chart_rendering import SMALLEST, Object, objects_in, pod_of, rendered


def containers(shards: int, **postgres: Any) -> dict[str, Object]:
    """Every container (and init container) of a release with so many raw servers, by its name."""
    values = SMALLEST | {"postgres": {"raw": {"shards": shards}} | postgres}
    pods = [pod_of(each) for each in objects_in(rendered(values))]
    found: dict[str, Object] = {}
    for pod in filter(None, pods):
        for each in (*pod.get("initContainers", ()), *pod["containers"]):
            found.setdefault(each["name"], each)  # every pod migrates in the same way
    return found


def env(container: Object) -> dict[str, Any]:
    """The values of its environment that stand in the manifest."""
    return {each["name"]: each.get("value") for each in container.get("env", ())}


@pytest.mark.parametrize("separate", [False, True])
def test_each_server_has_a_cluster_and_a_consumer(separate: bool) -> None:
    """The first is where it was; each further one is a Cluster of its own, all with a database raw.

    A consumer knows its own server only.
    """
    values = SMALLEST | {"postgres": {"raw": {"shards": 3}, "separateRaw": separate}}
    clusters = {
        each["metadata"]["name"]: each["spec"]["bootstrap"]["initdb"]["database"]
        for each in objects_in(rendered(values))
        if each["kind"] == "Cluster"
    }
    first = {"mlplatform-raw": "raw"} if separate else {}
    further = {"mlplatform-raw-2": "raw", "mlplatform-raw-3": "raw"}
    assert {"mlplatform-postgres": "warehouse"} | first | further == clusters

    found = containers(3, separateRaw=separate)
    consumers = {name: env(each) for name, each in found.items() if name.startswith("consumer")}
    at = "mlplatform-raw-rw" if separate else "mlplatform-postgres-rw"
    servers = {"raw": at, "raw-2": "mlplatform-raw-2-rw", "raw-3": "mlplatform-raw-3-rw"}
    for shard, address in servers.items():
        own = consumers["consumer" if shard == "raw" else f"consumer-{shard}"]
        assert shard == own["MLPLATFORM_CONSUMER__SHARD"]
        assert f"@{address}:5432/raw?" in own["MLPLATFORM_POSTGRES__RAW_DSN"]
    assert 3 == len(consumers)
    assert 3 == len({each["MLPLATFORM_TELEMETRY__METRICS_PORT"] for each in consumers.values()})


def test_those_that_read_all_servers_know_all_in_their_order() -> None:
    """A list of the further ones for etl, the data API (primaries and standbys), the migration."""
    found = containers(3)
    lists = {
        ("etl", "RAW_MORE_DSNS"): "rw",
        ("dataapi", "RAW_MORE_DSNS"): "rw",
        ("dataapi", "RAW_MORE_REPLICA_DSNS"): "ro",
        ("migrate", "OWNER_RAW_MORE_DSNS"): "rw",
    }
    for (container, field), server in lists.items():
        urls = json.loads(env(found[container])[f"MLPLATFORM_POSTGRES__{field}"])
        assert [f"mlplatform-raw-2-{server}", f"mlplatform-raw-3-{server}"] == [
            url.partition("@")[2].partition(":")[0] for url in urls
        ]
        assert f"$(POSTGRES_PASSWORD_{field})" in urls[0]
        assert f"POSTGRES_PASSWORD_{field}" in env(found[container])


def test_addresses_of_your_own_servers_come_from_the_secret() -> None:
    """With servers of one's own each further one has keys of its own in it."""
    found = containers(2, enabled=False, external={"existingSecret": "urls"})
    own = env(found["dataapi"])
    assert ["$(POSTGRES_URL_RAW_MORE_DSNS_RAW_2)"] == json.loads(
        own["MLPLATFORM_POSTGRES__RAW_MORE_DSNS"]
    )
    keys = {
        each["name"]: each["valueFrom"]["secretKeyRef"]["key"]
        for each in (*found["dataapi"]["env"], *found["consumer-raw-2"]["env"])
        if each.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "urls"
    }
    assert "dataapi-raw-2" == keys["POSTGRES_URL_RAW_MORE_DSNS_RAW_2"]
    assert "reader-raw-2" == keys["POSTGRES_URL_RAW_MORE_REPLICA_DSNS_RAW_2"]
    assert "consumer-raw-2" == keys["MLPLATFORM_POSTGRES__RAW_DSN"]


def test_one_server_needs_no_list() -> None:
    """Nothing changes where there is one."""
    found = containers(1)
    assert not [name for each in found.values() for name in env(each) if "MORE" in name]
