"""The chart, rendered without a cluster and without a helm program.

Every test of this folder starts from it.
"""

from __future__ import annotations

import copy
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).parents[2] / "charts" / "mlplatform"
CI = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))
SMALLEST = {"source": {"url": "https://git.example.com/team/pipelines.git"}}
FAST = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # ten times faster, where the C library is there
Object = dict[str, Any]


@cache
def files(name: str) -> dict[str, str]:
    """Template -> text, of a ci values file, or of the defaults with one pipeline ("default")."""
    return rendered(values_of(name))


def values_of(name: str) -> dict[str, Any]:
    """The values of a ci file, or the least that does some work."""
    if name == "default":
        return copy.deepcopy(SMALLEST) | {"pipelines": [{"name": "late-delivery"}]}
    loaded: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return loaded


def rendered(
    values: dict[str, Any], *, release: str = "mlplatform", chart: Path = CHART
) -> dict[str, str]:
    """Template (below templates/) -> text."""
    with helm.Chart.load(chart) as loaded:
        made = loaded.render(values, name=release, namespace="ml")
    return {path.removeprefix("mlplatform/templates/"): text for path, text in made.items()}


def chart_on(folder: Path, found: dict[str, Object]) -> Path:
    """A copy of the chart that finds these objects ("Kind/name" -> object) in its cluster."""
    made = folder / "mlplatform"
    shutil.copytree(CHART, made)
    cases = "".join(
        f'{{{{- if eq $asked "{key}" }}}}{{{{ {json.dumps(json.dumps(each))} }}}}{{{{ end }}}}'
        for key, each in found.items()
    )
    key = '{{- $asked := printf "%s/%s" .kind .name -}}'
    text = f'{{{{- define "mlplatform.found" }}}}{key}{cases}{{{{- end }}}}'
    (made / "templates" / "_found.tpl").write_text(text)
    return made


def objects_in(made: dict[str, str]) -> list[Object]:
    """Every Kubernetes object of a rendering."""
    texts = [text for path, text in made.items() if not path.endswith("NOTES.txt")]
    return [document for text in texts for document in yaml.load_all(text, FAST) if document]


def pod_of(found: Object) -> Object | None:
    """The pod spec of a workload; None for what runs nothing."""
    spec = found.get("spec", {})
    if found["kind"] == "Pod":
        return dict(spec)
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = (
        spec.get("template")
        if found["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob")
        else None
    )
    return dict(template["spec"]) if template else None


def containers(pod: Object) -> list[Object]:
    """All containers, init and sidecar ones included."""
    return [*pod.get("initContainers", ()), *pod["containers"]]
