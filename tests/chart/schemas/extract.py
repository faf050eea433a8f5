"""Cut the JSON schemas of this folder out of the operator's release manifest.

    extract.py cnpg-1.30.0.yaml

Only the fields that the chart could use are kept, without descriptions; unknown fields are refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = {
    "Cluster": {
        "affinity": {
            "enablePodAntiAffinity",
            "topologyKey",
            "podAntiAffinityType",
            "nodeSelector",
            "tolerations",
        },
        "bootstrap": {"initdb", "recovery"},
        "externalClusters": {"name", "plugin"},
        "imageName": None,
        "imagePullSecrets": None,
        "inheritedMetadata": None,
        "instances": None,
        "managed": {"roles"},
        "plugins": None,
        "postgresql": {"parameters", "pg_hba", "synchronous"},
        "priorityClassName": None,
        "resources": None,
        "smartShutdownTimeout": None,
        "stopDelay": None,
        "storage": {"size", "storageClass"},
        "switchoverDelay": None,
    },
    "Database": {
        "name": None,
        "owner": None,
        "cluster": None,
        "databaseReclaimPolicy": None,
        "ensure": None,
    },
    "ScheduledBackup": {
        "backupOwnerReference": None,
        "cluster": None,
        "immediate": None,
        "method": None,
        "pluginConfiguration": None,
        "schedule": None,
        "suspend": None,
    },
}


def main() -> None:
    """Write one file per kind."""
    for document in yaml.safe_load_all(Path(sys.argv[1]).read_text()):
        kind = (
            document["spec"]["names"]["kind"]
            if document and document["kind"] == "CustomResourceDefinition"
            else None
        )
        if kind in KEPT:
            version = document["spec"]["versions"][0]
            made = _object(version["schema"]["openAPIV3Schema"]["properties"]["spec"], KEPT[kind])
            Path(__file__).with_name(f"{kind.lower()}.json").write_text(
                json.dumps(made, indent=1) + "\n"
            )


def _object(schema: dict[str, Any], kept: dict[str, set[str] | None]) -> dict[str, Any]:
    properties = {}
    for name, inner in kept.items():
        found = _strict(schema["properties"][name])
        if inner is not None:
            holder = found.get("items", found)
            holder["properties"] = {key: holder["properties"][key] for key in sorted(inner)}
            holder.pop("required", None)
        properties[name] = found
    required = [name for name in schema.get("required", ()) if name in properties]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _strict(schema: Any) -> Any:
    """Without prose and Kubernetes' own notes; objects with declared fields refuse others."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {
        key: _strict(value)
        for key, value in schema.items()
        if key not in ("description", "default", "format") and not key.startswith("x-")
    }
    if "description" in schema and isinstance(schema["description"], dict):  # a field of that name
        made["description"] = _strict(schema["description"])
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made["additionalProperties"] = False
    return made


if __name__ == "__main__":
    main()
