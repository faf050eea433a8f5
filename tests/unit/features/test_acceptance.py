"""features.py is tried on what pipeline.yaml says, else on rows of the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import FeaturesEnded, InvalidInput
from mlplatform.features.apart import load_apart
from mlplatform.features.code import FeatureSet, load
from mlplatform.features.digest import features_digest

WEEKDAY = b"""from datetime import date
import numpy as np
def engineer(c):
    days = [float(date.fromisoformat(d).weekday()) for d in c["on"]]
    return {"sum": c["sum"], "weekday": np.array(days)}
"""
KNOWN = {
    "on": np.array(["2025-01-02", "soon", "2025-01-03"], dtype=object),
    "sum": np.array([5.0, 6.0, 7.0]),
}


def _definition(*columns: dict[str, Any]) -> PipelineDefinition:
    return PipelineDefinition.parse(
        {
            "name": "orders",
            "description": "A date that comes as a text.",
            "task": "regression",
            "columns": [*columns, {"name": "sum", "dtype": "float64"}],
            "target": {"name": "price", "dtype": "float64"},
            "tuning": {"metric": "r2"},
            "gates": [{"metric": "r2", "min": 0}],
        }
    )


def _loaded(
    history: Columns | None = None, source: bytes | None = WEEKDAY, **column: Any
) -> FeatureSet:
    definition = _definition({"name": "on", "dtype": "string"} | column)
    return load(definition, source, digest=None, history=lambda: history)


@pytest.mark.parametrize("example", ["2025-10-09", ["2025-10-09", "2025-10-10"]])
def test_an_example_is_what_the_code_is_tried_on(example: Any) -> None:
    """A text that must be a date needs only that; "a" and "b" are kept from the model too."""
    features = _loaded(example=example)
    texts = {text for table in features.probes.tables for text in table["on"]}

    assert ["sum", "weekday"] == [one.name for one in features.features]
    assert {"2025-10-09", *example} == texts if isinstance(example, list) else {example} == texts
    assert not features.probes.known


def test_without_an_example_the_row_is_blamed_and_the_way_out_told() -> None:
    """File, line, row, and the keys of pipeline.yaml that say more."""
    with pytest.raises(InvalidInput) as refusal:
        _loaded()

    assert [True] * 4 == [
        words in str(refusal.value)
        for words in (
            "pipelines/orders/features.py, line 4: ValueError: Invalid isoformat string: 'a'",
            "for the row on='a', sum=0.25",
            "`example:`",
            "`pattern:`",
        )
    ]


def test_rows_of_the_history_stand_in_for_an_example() -> None:
    """Those that the code takes, whole: the one with another text is left out."""
    features = _loaded(KNOWN)

    assert features.probes.known
    assert [["2025-01-02", 5.0], ["2025-01-03", 7.0]] == [
        list(row) for row in zip(*features.probes.rows.values(), strict=True)
    ]


def test_a_history_that_the_code_refuses_as_well_is_told_instead() -> None:
    """A row that came says more than a generated one."""
    known = {"on": np.array(["soon"], dtype=object), "sum": np.array([6.0])}
    with pytest.raises(InvalidInput, match=r"for the row on='soon', sum=6\.0"):
        _loaded(known)


def test_the_history_does_not_excuse_code_that_looks_at_other_rows() -> None:
    """Only a row that is refused can be replaced; a broken contract is one on any row."""
    source = b"def engineer(c):\n    return {'a': c['sum'] - c['sum'].sum()}\n"
    one = {name: values[:1] for name, values in KNOWN.items()}
    with pytest.raises(InvalidInput, match="feature a of a row depends on the rows beside it"):
        _loaded(one, source)


@pytest.mark.parametrize("source", [WEEKDAY, None])
def test_a_pattern_without_a_text_that_matches_asks_for_an_example(source: bytes | None) -> None:
    """No text can be made up for it. Without features.py it is the model that has no rows."""
    pattern = r"\d{4}-\d\d-\d\d"
    if source:
        with pytest.raises(InvalidInput, match=r"column on has a pattern.*give 'on' an `example:`"):
            _loaded(source=source, pattern=pattern)
    else:
        assert () == _loaded(source=None, pattern=pattern).probes.tables
    assert _loaded(KNOWN, source, pattern=pattern).probes.known


def test_other_texts_than_the_examples_go_on_to_the_model() -> None:
    """Code that takes any text gets it, and so does the model behind it."""
    source = b"def engineer(c):\n    return {'on': c['on']}\n"
    texts = {text for table in _loaded(None, source, example="x").probes.tables
             for text in table["on"]}  # fmt: skip

    assert {"x", "a", "b"} == texts


def test_code_that_divides_by_what_can_be_zero_is_told_the_row() -> None:
    """An infinite feature is a row's fault as well."""
    source = b"def engineer(c):\n    return {'a': 1 / (c['sum'] - 0.75)}\n"
    with pytest.raises(InvalidInput, match=r"feature a is infinite, for the row on='b', sum=0.75"):
        _loaded(source=source)


def _apart(source: bytes, *, limit_s: float = 20.0, **column: Any) -> FeatureSet:
    definition = _definition({"name": "on", "dtype": "string"} | column)
    digest = features_digest(definition, source)
    return load_apart(definition, source, digest=digest, limit_s=limit_s, as_served=True)


def test_a_module_that_serving_lacks_is_refused_in_the_child() -> None:
    """Pandas is here, and not in serving's image; NumPy and Python's own modules are."""
    with pytest.raises(
        InvalidInput, match=r"features.py, line 1: .*serving has no module 'pandas'"
    ):
        _apart(b"import pandas.api.types\ndef engineer(c):\n    return dict(c)\n")
    late = b"def engineer(c):\n    import scipy.special\n    return dict(c)\n"
    with pytest.raises(InvalidInput, match=r"line 2: .*serving has no module 'scipy'"):
        _apart(late)
    fine = b"import json, zoneinfo, numpy.linalg\ndef engineer(c):\n    return {'sum': c['sum']}\n"
    assert ["sum"] == [one.name for one in _apart(fine).features]


def test_the_child_has_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No credentials, and no modules out of the folder that a command is called in."""
    monkeypatch.setenv("MLPLATFORM_DATAAPI__TOKEN", "secret")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colours.py").write_text("")
    with pytest.raises(InvalidInput, match="No module named 'colours'"):
        _apart(b"import colours\ndef engineer(c):\n    return dict(c)\n")
    with pytest.raises(InvalidInput, match=r"line 1: RuntimeError: \[\]"):
        _apart(b"import os; raise RuntimeError([k for k in os.environ if 'TOKEN' in k])\n")


def test_what_the_child_found_is_known_here() -> None:
    """The rows that it answered are those on which a model is tried."""
    tables = _apart(WEEKDAY, example="2025-01-02").probes.tables

    assert [2, 1] == [length(table) for table in tables[:2]]
    assert ["2025-01-02", "2025-01-02"] == tables[0]["on"].tolist()


def test_code_that_never_returns_is_ended() -> None:
    """A loop over some rows costs its time limit."""
    source = (
        b"def engineer(c):\n    while (c['sum'] > 100).any(): pass\n    return {'a': c['sum']}\n"
    )
    features = _apart(source, limit_s=0.5)
    with pytest.raises(FeaturesEnded, match=r"took longer than 0\.5 s"):
        features.apply({"on": np.array(["a"], object), "sum": np.array([101.0])})
