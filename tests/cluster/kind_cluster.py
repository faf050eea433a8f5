"""A kind cluster and what people do with one: kubectl, helm, waiting."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
NAMESPACE = "mlplatform"
RELEASE = "mlplatform"
T = TypeVar("T")
CI = ROOT / "charts" / "mlplatform" / "ci"
KIND = (CI / "kind-values.yaml", Path(__file__).parent / "with-a-booster-values.yaml")
HA = (CI / "ha-values.yaml", Path(__file__).parent / "ha-on-kind-values.yaml")


@dataclass(frozen=True)
class Ended:
    """What was found at the moment when `make kind` had installed the release and ended."""

    seconds: float
    late: list[str]  # what was not ready
    pipelines: list[str]  # that were applied


def until(what: str, ask: Callable[[], T], *, seconds: float, every: float = 1.0) -> T:
    """The first true answer of `ask`.

    A command or request that fails counts as no; fails after `seconds`, saying what was waited for.
    """
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if answer := ask():
                return answer
        except Exception as error:  # noqa: BLE001  (what is being broken fails in many ways)
            last = f": {error}"
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s: {what}{last}")


@dataclass(frozen=True)
class Cluster:
    """The cluster behind a kubectl context, and the tag of the images that were loaded into it."""

    context: str
    tag: str

    def kubectl(
        self, *words: str, namespace: str = NAMESPACE, given: str | None = None, check: bool = True
    ) -> str:
        """Output of one kubectl command.

        Raises with what it said when it fails, unless `check` is off: then that is returned too.
        """
        return _run(
            ["kubectl", "--context", self.context, "-n", namespace, *words], given, check=check
        )

    def get(self, *words: str) -> dict[str, Any]:
        """One object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found

    def helm(self, *words: str, check: bool = True) -> str:
        """Output of one helm command."""
        return _run(
            ["helm", "--kube-context", self.context, "-n", NAMESPACE, *words], None, check=check
        )

    def release(self, *words: str, check: bool = True, values: Sequence[Path] = KIND) -> str:
        """Install or upgrade the release from values files; `words` are more flags, e.g. --set."""
        image = f"image.tag={self.tag},image.registry={os.environ.get('IMAGE_REGISTRY', '')}"
        chart = str(ROOT / "charts" / "mlplatform")
        files = [word for file in values for word in ("-f", str(file))]
        return self.helm(
            "upgrade", "--install", RELEASE, chart, *files, "--set", image, *words, check=check
        )

    def image(self) -> str:
        """The image of all components but serving, as the release names it."""
        registry = os.environ.get("IMAGE_REGISTRY", "")
        return f"{registry}/mlplatform:{self.tag}" if registry else f"mlplatform:{self.tag}"

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Pods of a component that are not on their way out."""
        found = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> list[str]:
        """Names of the pods of a component that are ready."""
        return [pod["metadata"]["name"] for pod in self.pods(component) if _condition(pod, "Ready")]

    def ready_uids(self, component: str) -> set[str]:
        """Identities of the pods of a component that are ready.

        A pod of a StatefulSet keeps its name when it is made anew.
        """
        return {pod["metadata"]["uid"] for pod in self.pods(component) if _condition(pod, "Ready")}

    def rolled_out(self, *, seconds: float = 240) -> None:
        """Wait until every Deployment and StatefulSet runs its latest revision."""
        for kind in ("deployment", "statefulset"):
            for item in self.get(kind)["items"]:
                self.kubectl(
                    "rollout",
                    "status",
                    f"{kind}/{item['metadata']['name']}",
                    f"--timeout={seconds:g}s",
                )

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def job_done(self, name: str, *, seconds: float) -> str:
        """Wait for a Job's end; "Complete" or "Failed"."""

        def ended() -> str:
            conditions = self.get("job", name).get("status", {}).get("conditions", ())
            return next(
                (
                    item["type"]
                    for item in conditions
                    if item["status"] == "True" and item["type"] in ("Complete", "Failed")
                ),
                "",
            )

        return until(f"the end of job {name}", ended, seconds=seconds)

    def primary(self, name: str = f"{RELEASE}-postgres") -> str:
        """Pod of the PostgreSQL primary of a Cluster, as the operator sees it."""
        return str(self.get("cluster.postgresql.cnpg.io", name)["status"]["currentPrimary"])

    def healthy_database(self, *, seconds: float = 240) -> None:
        """Wait until every PostgreSQL server of every Cluster is ready and the standbys stream."""
        until("the database is whole", self.database_is_healthy, seconds=seconds)

    def database_is_healthy(self) -> bool:
        """Whether every PostgreSQL server of every Cluster is ready."""
        found = self.get("cluster.postgresql.cnpg.io")["items"]
        return bool(found) and all(_whole(item["spec"], item["status"]) for item in found)


def _whole(spec: dict[str, Any], status: dict[str, Any]) -> bool:
    ready = status.get("readyInstances") == status.get("instances") == spec["instances"]
    return bool(ready and status["phase"] == "Cluster in healthy state")


def _condition(pod: dict[str, Any], kind: str) -> bool:
    return any(
        item["type"] == kind and item["status"] == "True"
        for item in pod.get("status", {}).get("conditions", ())
    )


def _run(argv: list[str], given: str | None, *, check: bool) -> str:
    done = subprocess.run(
        argv, input=given, capture_output=True, text=True, check=False, timeout=600
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout + ("" if done.returncode == 0 else done.stderr)
