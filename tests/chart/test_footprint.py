"""The kind profile fits on one node of two cores."""

from __future__ import annotations

from chart_rendering import Object, files, objects_in, pod_of

SERVING_PODS = 4  # three, and one that surges
DATABASE = "Cluster"


def cpu(resources: Object) -> float:
    """Cores that a container asks for."""
    text = str(resources["requests"]["cpu"])
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


def of_pod(pod: Object) -> float:
    """Cores that the scheduler counts.

    They are those of containers and sidecars, or the largest init container beside the sidecars
    before it.
    """
    sidecars, most = 0.0, 0.0
    for container in pod.get("initContainers", ()):
        if container.get("restartPolicy") == "Always":
            sidecars += cpu(container["resources"])
        else:
            most = max(most, sidecars + cpu(container["resources"]))
    return max(most, sidecars + sum(cpu(container["resources"]) for container in pod["containers"]))


def test_cpu_requests_of_the_kind_profile() -> None:
    """All requests together stay within 0.7 cores.

    Counted are the processes that run for good, three serving pods, one that surges, one training.
    """
    total = 0.0
    for found in objects_in(files("kind")):
        pod = pod_of(found)
        name = found["metadata"]["name"]
        if found["kind"] == DATABASE:
            total += found["spec"]["instances"] * cpu(found["spec"]["resources"])
        elif found["kind"] in ("Deployment", "StatefulSet"):
            total += of_pod(pod or {}) * (
                SERVING_PODS if name == "mlplatform-serving" else found["spec"].get("replicas", 1)
            )
        elif name == "mlplatform-trainer-breast-cancer":
            total += of_pod(pod or {})

    assert round(total, 3) <= 0.7
