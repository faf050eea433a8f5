"""What holds for every pod of every values file, whatever it is called."""

from __future__ import annotations

import re

from chart_rendering import SMALLEST, Object, containers, objects_in, pod_of, rendered

Workloads = list[tuple[Object, Object]]
LABELS = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


def test_pods_fit_the_restricted_standard(workloads: Workloads) -> None:
    """No pod runs as root, gains rights, keeps a capability, or writes to its image."""
    for found, pod in workloads:
        where = found["metadata"]["name"]
        context = pod["securityContext"]

        assert (True, "RuntimeDefault") == (
            context["runAsNonRoot"],
            context["seccompProfile"]["type"],
        ), where
        assert context["runAsUser"] >= 1000, where
        for container in containers(pod):
            security = container["securityContext"]

            assert (False, True, ["ALL"]) == (
                security["allowPrivilegeEscalation"],
                security["readOnlyRootFilesystem"],
                security["capabilities"]["drop"],
            ), (where, container["name"])


def test_only_the_data_api_gets_an_account_token(workloads: Workloads) -> None:
    """A token for the Kubernetes API is mounted where it is used, and service links nowhere."""
    with_token = {
        found["metadata"]["name"].rsplit("-", 1)[-1]
        for found, pod in workloads
        if pod["automountServiceAccountToken"]
    }

    assert {"dataapi"} == with_token
    assert [] == [
        found["metadata"]["name"] for found, pod in workloads if pod["enableServiceLinks"]
    ]


def test_memory_is_limited_and_cpu_is_not(workloads: Workloads) -> None:
    """Each container asks for CPU and memory, has a limit on memory.

    It has none on CPU, which would throttle it.
    """
    for found, pod in workloads:
        for container in containers(pod):
            resources = container["resources"]

            on_node = ("serving", "shipper") if found["kind"] == "Deployment" else ("serving",)
            disk = {"ephemeral-storage"} if container["name"] in on_node else set()

            assert {"cpu", "memory"} | disk == set(resources["requests"]), (
                found["metadata"]["name"],
                container["name"],
            )
            assert {"memory"} == set(resources["limits"]), (
                found["metadata"]["name"],
                container["name"],
            )


def test_images_are_pinned(workloads: Workloads) -> None:
    """Every image has a tag, and none is `latest`."""
    images = {container["image"] for _, pod in workloads for container in containers(pod)}

    assert [] == [
        image for image in images if not re.search(r":[^:/]+$", image) or image.endswith(":latest")
    ]


def test_long_running_containers_are_probed(workloads: Workloads) -> None:
    """Whatever runs for good has a probe of its life or readiness."""
    for found, pod in workloads:
        if found["kind"] in ("Deployment", "StatefulSet"):
            assert [] == [
                each["name"]
                for each in running(pod)
                if not {"livenessProbe", "readinessProbe"} & set(each)
            ], found["metadata"]["name"]


def test_what_hangs_is_replaced(workloads: Workloads) -> None:
    """Each container that runs for good has a liveness probe that asks the process itself.

    The kubelet waits longer than a loop may stand still, so that the watchdog decides first; the
    page of a loop that works takes that limit into account itself.
    """
    for found, pod in workloads:
        component = found["metadata"]["labels"]["app.kubernetes.io/component"]
        if found["kind"] not in ("Deployment", "StatefulSet") or component == "kafka":
            continue
        for each in running(pod):
            probe, where = each["livenessProbe"], (found["metadata"]["name"], each["name"])
            waits_s = probe["periodSeconds"] * probe["failureThreshold"]
            settings = {one["name"]: one.get("value") for one in each.get("env", ())}
            stuck_s = float(settings.get(f"MLPLATFORM_{each['name'].upper()}__STUCK_S") or 0)
            page = probe.get("httpGet", {}).get("path")

            assert page in ("/healthz", "/health", "/pipelines.git/HEAD"), where
            assert waits_s >= 60, where
            assert probe["timeoutSeconds"] >= 5, where
            if each["name"] in ("serving", "dataapi"):
                assert 0 < stuck_s < waits_s, where
            if each["name"] in ("shipper", "consumer", "etl"):
                assert stuck_s > 0, where


def test_a_longer_limit_is_waited_for() -> None:
    """The kubelet's threshold follows the setting."""
    for stuck_s, threshold in ((0, 6), (15, 6), (50, 6), (51, 7), (240.5, 26)):
        values = SMALLEST | {"settings": {"dataapi": {"stuck_s": stuck_s}}}
        objects = objects_in(rendered(values))
        pods = [(each["metadata"]["name"], pod_of(each)) for each in objects]
        (found,) = [
            each["livenessProbe"]["failureThreshold"]
            for name, pod in pods
            if pod and name.endswith("dataapi")
            for each in pod["containers"]
        ]

        assert threshold == found, stuck_s


def running(pod: Object) -> list[Object]:
    """The containers that run for good: the pod's own, and its sidecars."""
    sidecars = [
        each for each in pod.get("initContainers", ()) if each.get("restartPolicy") == "Always"
    ]
    return [*pod["containers"], *sidecars]


def test_labels_and_selectors_agree(objects: list[Object], workloads: Workloads) -> None:
    """Each object is labelled, and each selector finds its own pods by labels that never change."""
    assert [] == [
        found["metadata"]["name"]
        for found in objects
        if not LABELS <= set(found["metadata"]["labels"])
    ]
    for found, _ in workloads:
        selector = found["spec"].get("selector", {}).get("matchLabels")
        if selector:
            assert selector.items() <= found["spec"]["template"]["metadata"]["labels"].items(), (
                found["metadata"]["name"]
            )
            assert selector.items() <= found["metadata"]["labels"].items(), found["metadata"][
                "name"
            ]


def test_jobs_end(workloads: Workloads) -> None:
    """Every Job has a deadline, and goes away by itself some time after its end."""
    for found, _ in workloads:
        if found["kind"] in ("Job", "CronJob"):
            spec = (
                found["spec"]["jobTemplate"]["spec"]
                if found["kind"] == "CronJob"
                else found["spec"]
            )

            assert {"activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimit"} <= set(
                spec
            ), found["metadata"]["name"]


def test_replicas_and_autoscaler_do_not_fight(objects: list[Object]) -> None:
    """What the autoscaler scales is there, and has no replicas of its own."""
    scaled = {
        (found["spec"]["scaleTargetRef"]["kind"], found["spec"]["scaleTargetRef"]["name"])
        for found in objects
        if found["kind"] == "HorizontalPodAutoscaler"
    }

    there = {
        (found["kind"], found["metadata"]["name"]): "replicas" in found["spec"]
        for found in objects
        if found["kind"] in ("Deployment", "StatefulSet")
    }

    assert dict.fromkeys(scaled, False) == {key: there.get(key) for key in scaled}


def test_the_autoscaler_goes_up_at_once(objects: list[Object]) -> None:
    """It waits for nothing but the next figure, and may double the pods with each."""
    for found in objects:
        if found["kind"] == "HorizontalPodAutoscaler":
            up = found["spec"]["behavior"]["scaleUp"]
            doubles = {"type": "Percent", "value": 100, "periodSeconds": 15}

            assert (0, "Max") == (up["stabilizationWindowSeconds"], up["selectPolicy"])
            assert doubles in up["policies"]
            assert {15} == {policy["periodSeconds"] for policy in up["policies"]}


def test_serving_drains_within_its_grace_period(workloads: Workloads) -> None:
    """Lingering, running requests, then the rest of the outbox fit into the grace period."""
    for found, pod in workloads:
        if found["metadata"]["labels"]["app.kubernetes.io/component"] == "serving":
            values = {
                each["name"]: each.get("value")
                for container in containers(pod)
                for each in container["env"]
            }
            needed = sum(
                float(values[f"MLPLATFORM_{name}"])
                for name in ("SERVING__LINGER_S", "SERVING__DRAIN_S", "SHIPPER__DRAIN_S")
            )

            assert pod["terminationGracePeriodSeconds"] >= needed + 12
            assert "Always" == pod["initContainers"][-1]["restartPolicy"]


def test_no_bound_kills_a_serving_pod_before_its_outbox_is_empty(workloads: Workloads) -> None:
    """The kubelet evicts a pod whose disk outgrows a limit at once, without a drain.

    Serving asks for disk, and limits none; of the node's where the outbox has no volume of its own.
    """
    for found, pod in workloads:
        kept = found["spec"].get("volumeClaimTemplates", ())
        if found["metadata"]["labels"]["app.kubernetes.io/component"] == "serving":
            asked = {
                each["name"]: each["resources"]["requests"].get("ephemeral-storage")
                for each in containers(pod)
            }
            capacity = next(
                each["value"]
                for each in pod["initContainers"][0]["env"]
                if each["name"] == "MLPLATFORM_OUTBOX__CAPACITY_BYTES"
            )

            assert {"serving", "shipper"} == set(asked)
            assert (None if kept else capacity) == asked["shipper"]
            assert [{}] * (3 - len(kept)) == [
                volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume
            ]


def test_pods_that_are_not_ready_hold_no_node(objects: list[Object]) -> None:
    """A drain may take pods of serving and dataapi that are not ready.

    A broker that is not ready stays until it is.
    """
    budgets = {
        found["metadata"]["labels"]["app.kubernetes.io/component"]: found["spec"].get(
            "unhealthyPodEvictionPolicy"
        )
        for found in objects
        if found["kind"] == "PodDisruptionBudget"
    }
    expected = {"dataapi": "AlwaysAllow", "serving": "AlwaysAllow", "kafka": None}

    assert {component: expected[component] for component in budgets} == budgets


def test_the_trainer_holds_no_database_credentials(workloads: Workloads) -> None:
    """Neither a trainer nor a serving pod mounts or reads anything of Postgres."""
    for found, pod in workloads:
        if found["metadata"]["labels"]["app.kubernetes.io/component"] in (
            "trainer",
            "serving",
            "apply",
            "retention",
            "check",
        ):
            assert "POSTGRES" not in str(pod).upper(), found["metadata"]["name"]


def test_the_trainers_token_can_be_dropped(workloads: Workloads) -> None:
    """It comes as a variable of the one process of its pod, which begins anew without it.

    A file of it, another process of the pod or a shell around ours would keep it readable.
    """
    pods = [pod for found, pod in workloads if "-trainer-" in found["metadata"]["name"]]
    for pod in pods:
        (container,) = containers(pod)

        assert "command" not in container
        assert not pod.get("shareProcessNamespace")
        assert ["MLPLATFORM_DATAAPI__TOKEN"] == [
            each["name"]
            for each in container["env"]
            if each.get("valueFrom", {}).get("secretKeyRef", {}).get("key") == "trainer"
        ]
        assert [] == [each["name"] for each in pod["volumes"] if "secret" in str(each).lower()]
    assert pods


def test_no_deadline_is_shorter_than_the_patience_of_what_runs(workloads: Workloads) -> None:
    """A Job that waits for others is given the time for it."""
    for found, pod in workloads:
        if found["kind"] in ("Job", "CronJob"):
            spec = (
                found["spec"]["jobTemplate"]["spec"]
                if found["kind"] == "CronJob"
                else found["spec"]
            )
            for container in containers(pod):
                words = container.get("args", [])
                wait_s = int(words[words.index("--wait") + 1]) if "--wait" in words else 0

                assert spec["activeDeadlineSeconds"] > wait_s, found["metadata"]["name"]
