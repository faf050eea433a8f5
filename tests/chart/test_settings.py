"""The environment that the chart renders and the settings of the code are the same, both ways."""

from __future__ import annotations

from typing import Any

import chart_settings
import pytest
import yaml
from chart_rendering import CHART, CI, Object, containers, files, objects_in, pod_of, values_of

from mlplatform import settings

EVERY_VALUES = ("default", *CI)


def environment(name: str) -> dict[str, set[str]]:
    """Variable -> containers that get it, for one values file.

    A container is named like its component; serving has shipper beside it.
    """
    found: dict[str, set[str]] = {}
    for each in objects_in(files(name)):
        pod = pod_of(each)
        for container in containers(pod) if pod else ():
            for variable in container.get("env", ()):
                if variable["name"].startswith(settings.PREFIX):
                    found.setdefault(variable["name"], set()).add(container["name"])
    return found


@pytest.mark.parametrize("name", EVERY_VALUES)
def test_no_variable_is_unknown(name: str) -> None:
    """A process refuses an unknown variable with our prefix, so the chart renders none."""
    assert set() == set(environment(name)) - set(settings.fields())


def test_every_setting_is_rendered() -> None:
    """Each setting reaches some process, but for the few that make sense on one machine only."""
    rendered = {variable for name in EVERY_VALUES for variable in environment(name)}
    local = {
        settings.variable(group, field)
        for group, fields in chart_settings.LOCAL.items()
        for field in fields
    }

    assert set(settings.fields()) - local == rendered


def test_knobs_reach_their_own_component() -> None:
    """A group that is named like a component is rendered for that component's container."""
    found = environment("every-key")
    for group in (
        "dataapi",
        "serving",
        "shipper",
        "consumer",
        "etl",
        "trainer",
        "backup",
        "mlflow",
    ):
        own = {variable for variable, (of, _, _) in settings.fields().items() if of == group}
        others = {
            settings.variable("dataapi", "url"),
            settings.variable("dataapi", "token"),
            settings.variable("serving", "url"),
        }

        assert set() == {variable for variable in own - others if group not in found[variable]}


def test_serving_knows_what_the_shipper_can_send() -> None:
    """A request that no Kafka record could hold is refused by serving, which knows the bound.

    The queue's other settings are not serving's own.
    """
    found = environment("every-key")

    assert {"MLPLATFORM_QUEUE__MAX_RECORD_BYTES"} == {
        variable
        for variable, (group, _, _) in settings.fields().items()
        if group == "queue" and "serving" in found[variable]
    }


def test_rendered_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the chart renders for a process, its settings accept: types, bounds, JSON lists."""
    for each in objects_in(files("every-key")):
        pod = pod_of(each)
        for container in containers(pod) if pod else ():
            with monkeypatch.context() as patched:
                for variable in container.get("env", ()):
                    if variable["name"].startswith(settings.PREFIX):
                        patched.setenv(variable["name"], variable.get("value", "secret" * 6))
                loaded = settings.load()

                assert "debug" == loaded.telemetry.log_level or "kafka" in container["image"], (
                    container["name"]
                )


def test_defaults_are_those_of_the_code() -> None:
    """A setting that is not set has the value that docs/reference/settings.md says."""
    chart: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "values.yaml").read_text())[
        "settings"
    ]
    for group, field, info in settings.fields().values():
        if field in chart.get(group, {}):
            value = chart[group][field]
            default = list(info.default) if isinstance(info.default, tuple) else info.default

            assert (default or None) == (value or None), (group, field)


def test_numbers_keep_their_digits() -> None:
    """A large number is not written with an exponent, which no integer setting reads."""
    deployment = next(
        each
        for each in objects_in(files("default"))
        if each["metadata"]["name"] == "mlplatform-serving" and each["kind"] == "Deployment"
    )
    pod: Object = pod_of(deployment) or {}
    values = {each["name"]: each.get("value") for each in pod["initContainers"][0]["env"]}

    assert "536870912" == values["MLPLATFORM_OUTBOX__CAPACITY_BYTES"]
    assert {} != values_of("kind")
