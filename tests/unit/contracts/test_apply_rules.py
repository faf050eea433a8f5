"""What parses and is refused when it is applied, because it fails later or means nothing."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mlplatform.contracts.apply_rules import (
    MAX_FEATURES,
    RANGES,
    check_definition,
    check_features,
    check_library,
    check_room,
)
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput

REGRESSION = {
    "task": "regression",
    "target": {"name": "sum", "dtype": "float64"},
    "tuning": {"metric": "r2"},
}


def _definition(**changes: Any) -> PipelineDefinition:
    document = {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [{"name": "city", "dtype": "string"}],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8}],
    }
    return PipelineDefinition.parse(document | changes)


def _gate(**gate: Any) -> dict[str, Any]:
    changes = REGRESSION if gate["metric"] in ("r2", "mae", "rmse") else {}
    return changes | {"gates": [gate]}


def _target(name: str) -> dict[str, Any]:
    return {"target": {"name": name, "dtype": "string"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "loans-"}, "name: 'loans-' ends in '-', which no Kubernetes name may"),
        (_gate(metric="accuracy", min=95), "gates.0.min: accuracy can never be 95"),
        (_gate(metric="roc_auc", min=0.5, max=80), "gates.0.max: roc_auc can never be 80"),
        (_gate(metric="f1", min=-0.1), "(f1 goes from 0 to 1, and is not in percent)"),
        (_gate(metric="log_loss", max=-1), "(log_loss is at least 0)"),
        (_gate(metric="mae", max=-1), "gates.0.max: mae can never be -1"),
        (_gate(metric="r2", min=60), "gates.0.min: r2 can never be 60 (r2 is at most 1)"),
        (_gate(metric="f1", min=0.9, max=0.1), "gates.0.min: 0.9 is above max 0.1"),
        (
            _gate(metric="f1", against="champion", tolerance=2),
            "gates.0.tolerance: 2 is more than f1 can differ",
        ),
        (_target("row"), "target.name: target can't be named 'row'"),
        (_target("request_id"), "target can't be named 'request_id' (datasets have a column"),
        (_target("event_time"), "target can't be named 'event_time'"),
        (_target("source"), "target can't be named 'source'"),
        (_target("labelled_at"), "target can't be named 'labelled_at'"),
        ({"key": "row"}, "key: key can't be named 'row'"),
        ({"key": ""}, "key: key is empty (name a field, or leave the line out)"),
        ({"key": "paid"}, "key: 'paid' is the target as well"),
        ({"time": "paid"}, "time: 'paid' is the target as well"),
        ({"key": "id", "time": "id"}, "time: 'id' is the key as well"),
        ({"weight": "paid"}, "weight: 'paid' is the target as well"),
        ({"time": "at", "weight": "at"}, "weight: 'at' is the time as well"),
        ({"weight": "batch"}, "weight: weight can't be named 'batch'"),
        (
            {"target": {"name": "paid", "dtype": "string", "values": ["no", "no"]}},
            "target.values: 'no' is there twice (keep one of them)",
        ),
        (
            {"columns": [{"name": "city", "dtype": "string", "values": []}]},
            "columns.0.values: the list is empty, so no row would fit",
        ),
        (
            {"columns": [{"name": "n", "dtype": "int64", "min": -1e30, "max": 5}]},
            "columns.0.min: -1e+30 is beyond int64, which goes from -2**63 to 2**63 - 1",
        ),
        (
            {"columns": [{"name": "n", "dtype": "int64", "max": 2e19}]},
            "columns.0.max: 2e+19 is beyond int64",
        ),
        (
            {"columns": [{"name": "n", "dtype": "int64", "min": 0.2, "max": 0.8}]},
            "columns.0.min: no whole number lies between 0.2 and 0.8",
        ),
    ],
)
def test_a_definition_that_could_never_do_is_refused(changes: dict[str, Any], words: str) -> None:
    """It parses, as it may be stored already; to apply it is refused, naming key and fix."""
    definition = _definition(**changes)
    with pytest.raises(InvalidInput) as refusal:
        check_definition(definition, where="definition")

    assert f"definition: {refusal.value.field}: " in str(refusal.value)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        _gate(metric="accuracy", min=1, max=1),
        _gate(metric="roc_auc", max=0.999),
        _gate(metric="r2", min=-3),
        _gate(metric="mae", max=5500),
        _gate(metric="mae", against="champion", tolerance=50),
        {"key": "key", "time": "event_time"},
        _target("label"),
        {"columns": [{"name": "n", "dtype": "int64", "min": -(2**63), "max": 2**63 - 1}]},
        {"columns": [{"name": "n", "dtype": "float64", "min": -1e300, "max": 1e300}]},
    ],
)
def test_what_may_make_sense_is_applied(changes: dict[str, Any]) -> None:
    """Bounds at the ends of a range, a bound against leakage, and names that nothing else has."""
    check_definition(_definition(**changes), where="definition")


def test_every_metric_has_a_range() -> None:
    """A metric that is added needs one."""
    metrics = PipelineDefinition.model_json_schema()["$defs"]["Gate"]["properties"]["metric"]

    assert sorted(metrics["enum"]) == sorted(RANGES)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["paid"], "pipelines/loans/features.py: feature 'paid' has the name of the target"),
        (["city", "id"], "feature 'id' has the name of the key (rename the feature)"),
        ([f"f{n}" for n in range(1594)], "1594 features, and a table holds at most 1593"),
    ],
)
def test_features_that_no_dataset_could_hold_are_refused(names: list[str], words: str) -> None:
    """A feature named like target or key, and one more than a table's columns."""
    features = [Feature(name=name, dtype="bool") for name in names]
    with pytest.raises(InvalidInput) as refusal:
        check_features(_definition(key="id"), features)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("dtype", "count", "words"),
    [
        ("bool", 1594, "1594 columns, and a feature table holds at most 1593"),
        ("float64", 996, "a row of 996 columns takes 8164 bytes or more"),
    ],
)
def test_columns_that_no_feature_table_could_hold_are_refused(
    dtype: Any, count: int, words: str
) -> None:
    """PostgreSQL bounds the columns of a table, and the bytes of a row."""
    columns = [{"name": f"c{n}", "dtype": dtype} for n in range(count)]
    with pytest.raises(InvalidInput) as refusal:
        check_room(_definition(columns=columns), where="pipeline.yaml")

    assert words in str(refusal.value)


def test_many_columns_fit() -> None:
    """As many flags as a table has columns, and many numbers where most may be null."""
    for column, count in (
        ({"dtype": "bool"}, MAX_FEATURES),
        ({"dtype": "float64", "nullable": True}, MAX_FEATURES),
        ({"dtype": "float64"}, 995),
    ):
        columns = [{"name": f"c{n}", **column} for n in range(count)]
        check_room(_definition(columns=columns), where="pipeline.yaml")


def test_a_search_whose_library_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the extra to install; other searches need none."""
    asked = {"metric": "roc_auc", "search": "tpe"}
    check_library(_definition(tuning=asked))
    monkeypatch.setitem(sys.modules, "optuna", None)  # what the import system takes for "none"
    check_library(_definition(tuning=asked | {"search": "halving"}))

    with pytest.raises(InvalidInput, match="tpe needs optuna") as refused:
        check_library(_definition(tuning=asked))
    assert "tuning.search" == refused.value.field
    assert "mlplatform[optuna]" in str(refused.value.fix)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"export": {"format": "skops"}}, "export.format", "which are served as ONNX only"),
        (
            {"tuning": {"metric": "roc_auc", "search": "tpe"}},
            "tuning.search",
            "several combinations at once",
        ),
    ],
)
def test_what_a_ray_cluster_does_not_do_is_refused(
    changes: dict[str, Any], field: str, words: str
) -> None:
    """It trains boosters, in parallel; in the trainer itself the same is right."""
    check_definition(_definition(**changes), where="pipeline.yaml")
    on_ray = _definition(training={"engine": "ray"}, **changes)
    with pytest.raises(InvalidInput, match=words) as refused:
        check_definition(on_ray, where="pipeline.yaml")

    assert field == refused.value.field


def test_text_features_are_not_for_a_ray_cluster() -> None:
    """Its boosters take numbers; the feature is named."""
    texts = [Feature(name="city", dtype="string"), Feature(name="age", dtype="int64")]
    check_features(_definition(), texts)
    with pytest.raises(InvalidInput, match="features are texts: city") as refused:
        check_features(_definition(training={"engine": "ray"}), texts)

    assert "training.engine" == refused.value.field
