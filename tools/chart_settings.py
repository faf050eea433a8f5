"""The `settings:` block of the chart's values.yaml, from the code.

Names, defaults, meanings and bounds.
"""

from __future__ import annotations

import inspect
import json
import textwrap
import types
from typing import Any, Literal, get_args, get_origin

from mlplatform import settings

WIDTH = 94  # of a comment's text: four columns of indentation and the sign make it a hundred

LOCAL = {
    "cluster": {"environment_file", "logs"},
    "source": {"working_tree"},
    "retention": {"logs"},
}
"""Only for processes on one machine: the chart never sets them."""

DERIVED = {
    "telemetry": {"metrics_host", "metrics_port"},
    "access": {"tokens_file"},
    "audit": {"folder", "key"},
    "redaction": {"key"},
    "postgres": {
        name for name in settings.PostgresSettings.model_fields if name.endswith(("_dsn", "_dsns"))
    },
    "consumer": {"shard"},
    "queue": {"url", "ca_file", "username", "password"},
    "outbox": {"folder"},
    "dataapi": {"host", "port", "url", "token"},
    "serving": {"host", "port", "grpc_port", "url", "models", "cache", "linger_s"},
    "registry": {"url", "username", "password"},
    "mlflow": {"host", "port", "artifacts", "allowed_hosts"},
    "source": {"url", "cache", "password"},
    "trainer": {"work", "image"},
    "ray": {"address", "token", "dataapi_url", "registry_url"},
    "backup": {"folder"},
    "cluster": {"kind", "namespace", "cronjob_prefix"},
}
"""Addresses, secrets and folders: they follow from the rest of the values."""


def block() -> str:
    """The block, from `settings:` to its end."""
    lines, last = ["settings:"], ""
    for group, name, info in settings.fields().values():
        if name in DERIVED.get(group, ()) or name in LOCAL.get(group, ()):
            continue
        if group != last:
            last = group
            kind = settings.Settings.model_fields[group].annotation
            about = (inspect.getdoc(kind) or "").replace("\n\n", " ").splitlines()
            lines += [*(f"  # {line}" for line in about), f"  {group}:"]
        lines += [f"    {line}" for line in _field(name, info)]
    return "\n".join(lines) + "\n"


def _field(name: str, info: Any) -> list[str]:
    about = [f"# {line}" for line in textwrap.wrap(info.description or "", WIDTH)]
    notes = [*about, *_choices(info.annotation), *_bounds(info.metadata)]
    default = info.default
    if isinstance(default, tuple):
        items = [f"  - {value}" for value in default]
        return [*notes, '# @items {"type": "string"}', f"{name}:{'' if items else ' []'}", *items]
    shown = (
        default
        if isinstance(default, str) and default
        else json.dumps("" if default is None else default)
    )
    return [*notes, f"{name}: {shown}"]


def _choices(annotation: Any) -> list[str]:
    parts = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    for part in parts:
        if get_origin(part) is Literal:
            empty = [""] if type(None) in parts else []
            return [f"# @enum {'|'.join([*empty, *get_args(part)])}"]
    return []


def _bounds(metadata: list[Any]) -> list[str]:
    named = {"ge": "min", "gt": "above", "le": "max", "pattern": "pattern"}
    found = [
        (note, getattr(item, attribute, None))
        for item in metadata
        for attribute, note in named.items()
    ]
    return [f"# @{note} {value}" for note, value in found if value is not None]
