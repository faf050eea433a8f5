"""What may not happen, tried."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kind_cluster import NAMESPACE, RELEASE, Cluster
from platform_user import User

from mlplatform.errors import Forbidden

CONNECT = (
    "import socket, sys; "
    "socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); print('connected')"
)


def probe(cluster: Cluster, component: str, host: str, port: int) -> str:
    """What a pod with that component's labels and account gets when it opens a connection."""
    template = cluster.get("cronjob", f"{RELEASE}-trainer-breast-cancer")["spec"]["jobTemplate"][
        "spec"
    ]["template"]["spec"]
    container = template["containers"][0]
    name = f"probe-{component}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/name": "mlplatform",
                "app.kubernetes.io/instance": RELEASE,
                "app.kubernetes.io/component": component,
                "probe": "true",
            },
        },
        "spec": template
        | {
            "restartPolicy": "Never",
            "containers": [
                # A policy needs a moment to reach a new pod: the second try counts.
                container
                | {
                    "command": [
                        "sh",
                        "-c",
                        'sleep 5; python -c "$0" "$1" "$2" 2>&1; true',
                        CONNECT,
                        host,
                        str(port),
                    ],
                    "args": [],
                }
            ],
        },
    }
    cluster.kubectl("delete", "pod", name, "--ignore-not-found", "--wait")
    cluster.kubectl("apply", "-f", "-", given=json.dumps(pod))
    cluster.kubectl(
        "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=90s"
    )
    said = cluster.kubectl("logs", name)
    cluster.kubectl("delete", "pod", name, "--wait=false")
    return said


@pytest.mark.parametrize(
    ("component", "host", "port", "reached"),
    [
        ("trainer", f"{RELEASE}-postgres-rw", 5432, False),
        ("trainer", f"{RELEASE}-postgres-ro", 5432, False),
        ("trainer", f"{RELEASE}-kafka", 9092, False),
        ("trainer", f"{RELEASE}-dataapi", 8081, True),
        ("serving", f"{RELEASE}-postgres-rw", 5432, False),
        ("consumer", f"{RELEASE}-postgres-rw", 5432, True),
        ("apply", f"{RELEASE}-mlflow", 5000, False),
    ],
)
def test_only_the_arrows_are_open(
    cluster: Cluster,
    installed: dict[str, float],
    component: str,
    host: str,
    port: int,
    *,
    reached: bool,
) -> None:
    """A pod with a component's labels reaches what the component has an arrow to, and nothing else.

    The trainer does not even reach Postgres.
    """
    said = probe(cluster, component, host, port)

    assert reached == (said.strip() == "connected"), said
    assert reached or any(
        word in said for word in ("ConnectionRefusedError", "TimeoutError", "unreachable")
    ), said


def test_the_data_api_starts_trainers_only(cluster: Cluster, installed: dict[str, float]) -> None:
    """Its account may make Jobs.

    The admission policy lets through the trainer's own and nothing else.
    """
    account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}-dataapi"
    job = json.loads(
        cluster.kubectl(
            "create",
            "job",
            f"--from=cronjob/{RELEASE}-trainer-diabetes",
            "bounds",
            "--dry-run=client",
            "-o",
            "json",
        )
    )
    pod = job["spec"]["template"]["spec"]
    trainer = pod["containers"][0]
    stolen = {
        "name": "STOLEN",
        "valueFrom": {"secretKeyRef": {"name": f"{RELEASE}-access", "key": "admin"}},
    }

    def answer(change: dict[str, Any]) -> str:
        changed = job | {
            "spec": job["spec"] | {"template": job["spec"]["template"] | {"spec": pod | change}}
        }
        return cluster.kubectl(
            "create", "-f", "-", "--dry-run=server", account, given=json.dumps(changed), check=False
        )

    assert "job.batch/bounds created" in answer({})
    for change, said in (
        ({"serviceAccountName": f"{RELEASE}-dataapi"}, "under the trainer's service account only"),
        (
            {
                "volumes": [
                    *pod["volumes"],
                    {"name": "tokens", "secret": {"secretName": f"{RELEASE}-access"}},
                ]
            },
            "may mount scratch folders only",
        ),
        ({"containers": [trainer | {"args": ["apply"]}]}, "that run the trainer only"),
        ({"containers": [trainer | {"command": ["sh"]}]}, "that run the trainer only"),
        ({"containers": [trainer | {"image": "debian:trixie-slim"}]}, "that run the trainer only"),
        (
            {"containers": [trainer | {"env": [*trainer["env"], stolen]}]},
            "may use the trainer's own secrets only",
        ),
    ):
        assert said in answer(change)


def test_a_role_may_not_do_more_than_it_says(user: User, installed: dict[str, float]) -> None:
    """The token of a client can't promote, the trainer's can't approve.

    Without a token nothing is allowed.
    """
    for caller in ("client", "trainer", "serving"):
        with user.dataapi(caller) as client, pytest.raises(Forbidden):
            client.decide("breast-cancer", "promote", version="1", why="to see")
