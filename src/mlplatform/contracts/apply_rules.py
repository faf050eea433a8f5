"""What a definition must also meet to be applied: what parses, and fails later or means nothing.

These rules stand beside `PipelineDefinition` because running processes parse stored definitions
with it: a definition that was applied before a rule existed stays readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, floor, inf

from mlplatform.contracts.columns import RESERVED, Column, Feature
from mlplatform.contracts.pipeline import Gate, Metric, PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.strict_yaml import Path, YamlDocument, place

RANGES: dict[Metric, tuple[float, float]] = {
    "roc_auc": (0, 1),
    "accuracy": (0, 1),
    "balanced_accuracy": (0, 1),
    "f1": (0, 1),
    "log_loss": (0, inf),
    "r2": (-inf, 1),
    "mae": (0, inf),
    "rmse": (0, inf),
}
"""The values that a metric can have."""
FEATURE_OWN = ("request_id", "row", "event_time")
"""Columns of the datasets `features` and `training` before the features."""
LABEL_OWN = ("request_id", "row", "labelled_at", "source")
"""Columns of the dataset `labels` before the target."""
_OWN_COLUMNS = 7  # request_id, row, batch, event_time, key, and a label as number or text
MAX_FEATURES = 1600 - _OWN_COLUMNS
"""PostgreSQL's limit of columns, without those that every feature table has."""
ROW_BYTES = 8160
"""Most bytes of a row of numbers and flags: a PostgreSQL page without its own header."""
_BYTES = {"float64": 8, "int64": 8, "bool": 1, "string": 1}  # of a text, the least
_OWN_BYTES = 16 + 4 + 8 + 8 + 8  # with a label (a text: up to the next number), without a key


@dataclass(frozen=True)
class _Fault:
    path: Path
    problem: str
    fix: str = ""


def check_definition(definition: PipelineDefinition, *, where: str | YamlDocument) -> None:
    """Raises InvalidInput that names the key, and its line when `where` is the YAML document."""
    rules = (
        _of_name,
        _of_fields,
        _of_redact,
        _of_ranges,
        _of_values,
        _of_gates,
        _of_training,
    )
    for fault in (fault for rule in rules for fault in rule(definition)):
        key = ".".join(map(str, fault.path))
        raise InvalidInput(
            f"{place(where, fault.path)}: {key}: {fault.problem}", field=key, fix=fault.fix
        )


def check_features(definition: PipelineDefinition, features: Sequence[Feature]) -> None:
    """Raises InvalidInput when datasets or the feature table have no room for these features."""
    where = f"pipelines/{definition.name}/features.py"
    if len(features) > MAX_FEATURES:
        raise InvalidInput(
            f"{where}: {len(features)} features, and a table holds at most {MAX_FEATURES}",
            fix="give fewer features",
        )
    taken = {
        definition.target.name: "target",
        definition.key: "key",
        definition.weight: "weight",
    }
    for feature in features:
        if word := taken.get(feature.name):
            raise InvalidInput(
                f"{where}: feature '{feature.name}' has the name of the {word}",
                field=feature.name,
                fix="rename the feature",
            )
    texts = [feature.name for feature in features if feature.dtype == "string"]
    if definition.training is not None and texts:
        raise InvalidInput(
            f"with training.engine: {definition.training.engine}, a booster takes numbers, and "
            f"features are texts: {', '.join(texts)}",
            field="training.engine",
            fix=f"encode them in {where}, or leave training out",
        )


def check_library(definition: PipelineDefinition) -> None:
    """Raises InvalidInput where this process lacks what the search needs.

    To be called where trainings run, or in the data API, which runs from the same image.
    """
    if definition.tuning.search == "tpe" and find_spec("optuna") is None:
        raise InvalidInput(
            "tuning.search: tpe needs optuna, which is not installed where trainings run",
            field="tuning.search",
            fix="install mlplatform[optuna] (an image: build it with BOOSTERS=optuna), or take "
            "search: random",
        )


def check_room(definition: PipelineDefinition, *, where: str | YamlDocument) -> None:
    """For a pipeline without features.py, whose columns are its features.

    Raises InvalidInput when a feature table can't have them, or no row of it could be stored.
    """
    count, at = len(definition.inputs), place(where, ("columns",))
    fix = "declare fewer columns, or let features.py make fewer features of them"
    if count > MAX_FEATURES:
        raise InvalidInput(
            f"{at}: {count} columns, and a feature table holds at most {MAX_FEATURES}",
            field="columns",
            fix=fix,
        )
    if (taken := _row_bytes(definition)) > ROW_BYTES:
        raise InvalidInput(
            f"{at}: a row of {count} columns takes {taken} bytes or more, and a feature table's row"
            f" at most {ROW_BYTES}",
            field="columns",
            fix=f"a number takes 8 bytes: {fix}",
        )


def _row_bytes(definition: PipelineDefinition) -> int:
    """The fewest bytes that a row with a label can take.

    Nulls take none but a bit for every column, and no padding is counted.
    """
    columns = definition.inputs
    # 23 bytes and the bits (a label is number or text: one of both is null), up to a multiple of 8.
    header = -(-(23 + -(-(_OWN_COLUMNS + len(columns)) // 8)) // 8) * 8
    values = sum(_BYTES[column.dtype] for column in columns if not column.nullable)
    return header + _OWN_BYTES + values


def _of_name(definition: PipelineDefinition) -> Iterator[_Fault]:
    if definition.name.endswith("-"):
        yield _Fault(
            ("name",),
            f"'{definition.name}' ends in '-', which no Kubernetes name may",
            "end it in a letter or digit",
        )


def _of_fields(definition: PipelineDefinition) -> Iterator[_Fault]:
    target, key, time = definition.target.name, definition.key, definition.time
    rename = "datasets have a column of that name: give it another one"
    if target in FEATURE_OWN or target in LABEL_OWN:
        yield _Fault(("target", "name"), f"target can't be named '{target}'", rename)
    if key in FEATURE_OWN:
        yield _Fault(("key",), f"key can't be named '{key}'", rename)
    for word, name in (("key", key), ("time", time)):
        if name == "":
            yield _Fault((word,), f"{word} is empty", "name a field, or leave the line out")
    same = "name another field, or leave the line out"
    if key == target:
        yield _Fault(("key",), f"'{key}' is the target as well", same)
    if time is not None and time in (target, key):
        word = "target" if time == target else "key"
        yield _Fault(("time",), f"'{time}' is the {word} as well", same)
    yield from _of_weight(definition, rename=rename, same=same)


def _of_weight(definition: PipelineDefinition, *, rename: str, same: str) -> Iterator[_Fault]:
    weight = definition.weight
    if weight in RESERVED:
        yield _Fault(("weight",), f"weight can't be named '{weight}'", rename)
    others = {
        definition.target.name: "target",
        definition.key: "key",
        definition.time: "time",
    }
    if weight is not None and weight in others:
        yield _Fault(("weight",), f"'{weight}' is the {others[weight]} as well", same)


def _of_redact(definition: PipelineDefinition) -> Iterator[_Fault]:
    columns = {column.name: (at, column) for at, column in enumerate(definition.columns)}
    for name, how in definition.redact.items():
        if name not in columns:
            yield from _beside_columns(definition, name, how)
        elif how == "hash":
            yield from _of_hashed(*columns[name])
    if not definition.inputs:
        yield _Fault(("redact",), "every column is dropped", "leave one for the model")


def _beside_columns(definition: PipelineDefinition, name: str, how: str) -> Iterator[_Fault]:
    """What is wrong with redacting a field that is no column, such as the key."""
    path = ("redact", name)
    words = {
        definition.target.name: "target",
        definition.time: "time",
        definition.weight: "weight",
    }
    if name == definition.key:
        if how == "drop":
            problem = f"'{name}' is the key, by which rows are found"
            yield _Fault(path, problem, "hash it, or leave the key out of pipeline.yaml")
    elif name in words:
        yield _Fault(path, f"'{name}' is the {words[name]}, which is read", "leave the line out")
    else:
        yield _Fault(path, f"there is no column '{name}'", "name a column, or the key")


def _of_hashed(at: int, column: Column) -> Iterator[_Fault]:
    if column.dtype != "string":
        problem = f"'{column.name}' is {column.dtype}, and a hash is a text"
        yield _Fault(("redact", column.name), problem, "declare it a string, or drop it")
    given = {"values": column.values, "pattern": column.pattern, "example": column.example}
    for word, value in given.items():
        if value is not None:
            problem = f"'{column.name}' is hashed, and this is said of its values"
            yield _Fault(("columns", at, word), problem, "leave the line out")


def _of_ranges(definition: PipelineDefinition) -> Iterator[_Fault]:
    for index, column in enumerate(definition.columns):
        if column.dtype == "int64":
            for word, problem, fix in _whole_range(column):
                yield _Fault(("columns", index, word), problem, fix)


def _whole_range(column: Column) -> Iterator[tuple[str, str, str]]:
    """Key, fault and way out of a range that whole numbers of 64 bits can't fill.

    As floats, in which bounds are read, 2**63 - 1 and 2**63 are the same number.
    """
    ends = {"min": column.min, "max": column.max}
    for word, end in ends.items():
        if end is not None and not -(2.0**63) <= end <= 2.0**63:
            far = f"{end:g} is beyond int64, which goes from -2**63 to 2**63 - 1"
            yield word, far, "leave the bound out, or declare the column float64"
    if column.min is not None and column.max is not None and ceil(column.min) > floor(column.max):
        none = f"no whole number lies between {column.min:g} and {column.max:g}"
        yield "min", none, "widen the range, or declare the column float64"


def _of_values(definition: PipelineDefinition) -> Iterator[_Fault]:
    lists: list[tuple[Path, tuple[str, ...] | None]] = [
        (("columns", index, "values"), column.values)
        for index, column in enumerate(definition.columns)
    ]
    for path, values in (*lists, (("target", "values"), definition.target.values)):
        if values is not None and not values:
            yield _Fault(path, "the list is empty, so no row would fit", "leave the line out")
        if twice := sorted({name for name in values or () if (values or ()).count(name) > 1}):
            yield _Fault(path, f"'{twice[0]}' is there twice", "keep one of them")


def _of_gates(definition: PipelineDefinition) -> Iterator[_Fault]:
    for index, gate in enumerate(definition.gates):
        for word, problem in _bounds(gate):
            yield _Fault(("gates", index, word), problem, _span(gate.metric))


def _of_training(definition: PipelineDefinition) -> Iterator[_Fault]:
    if definition.training is None:
        return
    engine = f"training.engine: {definition.training.engine}"
    if definition.export.format == "skops":
        problem = f"{engine} trains boosters, which are served as ONNX only"
        yield _Fault(("export", "format"), problem, "take auto or onnx")
    if definition.tuning.search == "tpe":
        problem = f"{engine} tries several combinations at once, tpe one after the other"
        yield _Fault(("tuning", "search"), problem, "take random or halving")


def _span(metric: Metric) -> str:
    low, high = RANGES[metric]
    if low == -inf:
        return f"{metric} is at most {high:g}"
    if high == inf:
        return f"{metric} is at least {low:g}"
    return f"{metric} goes from {low:g} to {high:g}, and is not in percent"


def _bounds(gate: Gate) -> Iterator[tuple[str, str]]:
    """Key and fault of each number that no value of the metric could meet, or that all meet."""
    low, high = RANGES[gate.metric]
    for word, bound in (("min", gate.min), ("max", gate.max)):
        if bound is not None and not low <= bound <= high:
            yield word, f"{gate.metric} can never be {bound:g}"
    if gate.min is not None and gate.max is not None and gate.min > gate.max:
        yield "min", f"{gate.min:g} is above max {gate.max:g}"
    if gate.tolerance > high - low:
        yield "tolerance", f"{gate.tolerance:g} is more than {gate.metric} can differ"
