"""Every object that the chart can make is one that Kubernetes and the operators take."""

from __future__ import annotations

import json
from pathlib import Path

import helm_python as helm
import jsonschema
import kubernetes_validate
from chart_rendering import CHART, Object, values_of

VERSION = "1.34"
OWN = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parent / "schemas").glob("*.json")
}


def test_lint_finds_nothing(name: str) -> None:
    """`helm lint` has no warning and no error for any values that people run."""
    report = helm.lint(CHART, values_of(name), strict=True, namespace="ml")

    assert [] == [message for message in report["messages"] if message["severity"] > 1]


def test_every_object_is_valid(objects: list[Object]) -> None:
    """Each object fits the schema of its kind, with no field that the kind lacks."""
    assert [] == [
        (found["kind"], found["metadata"]["name"], fault)
        for found in objects
        if (fault := _fault(found))
    ]


def test_names_are_unique(objects: list[Object]) -> None:
    """No two objects of a kind share a name."""
    keys = [(found["kind"], found["metadata"]["name"]) for found in objects]

    assert sorted(set(keys)) == sorted(keys)


def test_one_namespace(objects: list[Object]) -> None:
    """Every object that lives in a namespace names the release's own."""
    free = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")

    assert [] == [
        found
        for found in objects
        if found["kind"] not in free and found["metadata"].get("namespace") != "ml"
    ]


def _fault(found: Object) -> str:
    own = OWN.get(found["kind"].lower())
    try:
        if own is None:
            kubernetes_validate.validate(found, VERSION, strict=True)
        else:
            jsonschema.validate(found["spec"], own)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        return str(error).splitlines()[0]
    return ""
