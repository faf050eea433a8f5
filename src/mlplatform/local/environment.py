"""The environment of each process of a local stack: its own settings and credentials, no others.

The trainer's holds no database credential at all; serving's and the shipper's neither.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from mlplatform import vendor_telemetry
from mlplatform.local import raw_shards
from mlplatform.local.ports import HOST
from mlplatform.local.secrets import Secrets
from mlplatform.local.servers.postgres import LocalPostgres
from mlplatform.settings import RaySettings, RetentionSettings, variable

Groups = dict[str, dict[str, Any]]

INHERITED = (
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)
"""What a process needs of our own environment to fetch from a git server."""
TRUST = variable("registry", "skops_trusted")
"""What trainer and serving get of our own environment, both the same."""
WORKERS = variable("serving", "workers")
TIMES = (
    variable("serving", "durability_interval_ms"),
    variable("serving", "durability_wait_s"),
)
"""What serving alone gets of it."""
DURABILITY = variable("serving", "durability")
"""What serving and the shipper get of it: the one may wait for the other."""
RAY = tuple(variable("ray", name) for name in RaySettings.model_fields)
"""What the trainer alone gets of it."""
RETENTION = tuple(variable("retention", name) for name in RetentionSettings.model_fields)
"""What the data API alone gets of it."""
AUDIT = (variable("audit", "key"), variable("audit", "checkpoint_every_s"))
"""What the shipper alone gets of it."""
_OWN = {
    "serving": (TRUST, WORKERS, DURABILITY, *TIMES),
    "shipper": (DURABILITY, *AUDIT),
    "trainer": (TRUST, *RAY),
    "dataapi": RETENTION,
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""For many small processes on few cores: with a thread per core in each they would compete."""


@dataclass(frozen=True)
class Layout:
    """Everything that the environments are made of."""

    home: Path
    ports: Mapping[str, int]
    queue: str
    source: str
    working_tree: bool
    models: tuple[str, ...]
    secrets: Secrets
    postgres: LocalPostgres
    further_raw: Mapping[str, LocalPostgres] = field(default_factory=dict)

    def url(self, name: str) -> str:
        """Address of an HTTP server of the stack."""
        return f"http://{HOST}:{self.ports[name]}"

    def environment(self, process: str) -> dict[str, str]:
        """The whole environment of a process."""
        component, _, shard = process.partition("-")  # consumer-raw-2
        names = (*INHERITED, *_OWN.get(component, ()))
        inherited = {name: os.environ[name] for name in names if name in os.environ}
        base = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }
        groups = _further_consumer(self, shard) if shard else _GROUPS[process](self)
        return base | ONE_THREAD | vendor_telemetry.OFF | inherited | variables(groups)

    def environment_file(self, process: str) -> Path:
        """Where the environment of trainings and backups lies, for the commands that start one."""
        return self.home / "secrets" / f"{process}.json"


def variables(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Settings as environment variables; None is left out."""
    return {
        variable(group, name): _text(value)
        for group, fields in groups.items()
        for name, value in fields.items()
        if value is not None
    }


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list | tuple) and value and isinstance(value[0], SecretStr):
        return json.dumps([each.get_secret_value() for each in value])
    return json.dumps(value) if isinstance(value, list | tuple | dict | bool) else str(value)


def _set_fields(group: BaseModel) -> dict[str, Any]:
    return {name: getattr(group, name) for name in group.model_fields_set}


def _dataapi(layout: Layout) -> Groups:
    return {
        "dataapi": {
            "host": HOST,
            "port": layout.ports["dataapi"],
            "rate_per_s": 2_000,
            "burst": 4_000,
        },
        "access": {"tokens_file": layout.secrets.access_file},
        "redaction": {"key": layout.secrets.redaction_key},
        "postgres": _set_fields(layout.postgres.settings("dataapi")) | _further(layout, "dataapi"),
        "registry": {"url": layout.url("mlflow")},
        "cluster": {
            "kind": "local",
            "environment_file": layout.environment_file("trainer"),
            "logs": layout.home / "logs",
        },
    }


def _serving(layout: Layout) -> Groups:
    return {
        "serving": {
            "host": HOST,
            "port": layout.ports["serving"],
            "models": layout.models,
            "cache": layout.home / "cache" / "serving",
            "poll_s": 0.5,  # one machine, one poller: a new version answers at once
        },
        "outbox": {"folder": layout.home / "outbox"},
        "access": {"tokens_file": layout.secrets.access_file},
        "dataapi": {"url": layout.url("dataapi"), "token": layout.secrets.tokens["serving"]},
        "registry": {"url": layout.url("mlflow")},
        "source": _source(layout),
        "redaction": {"key": layout.secrets.redaction_key},
    }


def _shipper(layout: Layout) -> Groups:
    return {
        "outbox": {"folder": layout.home / "outbox"},
        "queue": {"url": layout.queue},
        "audit": {"folder": layout.home / "checkpoints"},
        "telemetry": _metrics(layout, "shipper"),
    }


def _consumer(layout: Layout) -> Groups:
    postgres = _set_fields(layout.postgres.settings("consumer"))
    return {
        "postgres": postgres,
        "queue": {"url": layout.queue},
        "telemetry": _metrics(layout, "consumer"),
    }


def _further_consumer(layout: Layout, shard: str) -> Groups:
    """Each raw server has a consumer of its own."""
    return {
        "postgres": _set_fields(layout.further_raw[shard].settings("consumer")),
        "consumer": {"shard": shard},
        "queue": {"url": layout.queue},
        "telemetry": _metrics(layout, raw_shards.consumer(shard)),
    }


def _further(layout: Layout, component: Literal["dataapi", "etl"]) -> dict[str, Any]:
    """The addresses of further raw servers; none where there is one."""
    own = [each.settings(component) for each in layout.further_raw.values()]
    found = {
        "raw_more_dsns": [each.raw_dsn for each in own],
        "raw_more_replica_dsns": [each.raw_replica_dsn for each in own if each.raw_replica_dsn],
    }
    return {name: dsns for name, dsns in found.items() if dsns}


def _etl(layout: Layout) -> Groups:
    postgres = _set_fields(layout.postgres.settings("etl")) | _further(layout, "etl")
    return {
        "postgres": postgres,
        "source": _source(layout),
        "redaction": {"key": layout.secrets.redaction_key},
        "telemetry": _metrics(layout, "etl"),
    }


def _trainer(layout: Layout) -> Groups:
    return {
        "dataapi": {"url": layout.url("dataapi"), "token": layout.secrets.tokens["trainer"]},
        "registry": {"url": layout.url("mlflow")},
        "source": _source(layout),
    }


def _retention(layout: Layout) -> Groups:
    return {"dataapi": {"url": layout.url("dataapi"), "token": layout.secrets.tokens["retention"]}}


def _backup(layout: Layout) -> Groups:
    return {
        "postgres": _set_fields(layout.postgres.settings("backup")),
        "registry": {"url": layout.url("mlflow")},
        "backup": {"folder": layout.home / "backups"},
    }


def _restore(layout: Layout) -> Groups:
    """A restore needs MLflow's own role, and the owner's for the promotion record."""
    rights = {
        "mlflow_dsn": layout.postgres.settings("mlflow").mlflow_dsn,
        "owner_warehouse_dsn": layout.postgres.settings("owner").owner_warehouse_dsn,
    }
    return _backup(layout) | {"postgres": rights}


def _metrics(layout: Layout, process: str) -> dict[str, Any]:
    return {"metrics_host": HOST, "metrics_port": layout.ports[process]}


def _source(layout: Layout) -> dict[str, Any]:
    return {
        "url": layout.source,
        "working_tree": layout.working_tree,
        "cache": layout.home / "cache" / "source",
    }


_GROUPS = {
    "dataapi": _dataapi,
    "serving": _serving,
    "shipper": _shipper,
    "consumer": _consumer,
    "etl": _etl,
    "trainer": _trainer,
    "backup": _backup,
    "restore": _restore,
    "retention": _retention,
}
