"""The cluster that the settings name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from mlplatform.cluster.interface import Cluster
from mlplatform.cluster.local import LocalCluster
from mlplatform.settings import ClusterSettings, require


def open_cluster(settings: ClusterSettings) -> Cluster:
    """The cluster of `settings.kind`. Raises SettingsError that names what is missing."""
    if settings.kind == "local":
        file = Path(require(settings.environment_file, "cluster", "environment_file"))
        return LocalCluster(file, file.parent / "logs" if settings.logs is None else settings.logs)
    # Loaded by name: the client weighs 60 MB and its extra is not installed on laptops.
    kubernetes = import_module("mlplatform.cluster.kubernetes")
    namespace = require(settings.namespace, "cluster", "namespace")
    return cast(
        "Cluster",
        kubernetes.KubernetesCluster.inside(
            namespace=namespace, cronjob_prefix=settings.cronjob_prefix
        ),
    )
