"""features.py: the contract is held when it is loaded and at every call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.blocks import BlockLayout, BlockTable
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, InvalidInput
from mlplatform.features import code
from mlplatform.features.digest import features_digest

WHERE = "pipelines/loans/features.py"


def _definition(**changes: Any) -> PipelineDefinition:
    document = {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "classification",
        "columns": [
            {"name": "income", "dtype": "float64", "min": 10, "max": 20},
            {"name": "city", "dtype": "string", "nullable": True},
            {"name": "children", "dtype": "int64", "min": 1},
            {"name": "member", "dtype": "bool"},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
    }
    return PipelineDefinition.parse(document | changes)


COLUMNS = {
    "income": np.array([1.0, 2.0]),
    "city": np.array(["a", None], dtype=object),
    "children": np.array([1, 2]),
    "member": np.array([True, False]),
}


def _load(body: str, **changes: Any) -> code.FeatureSet:
    return code.load(
        _definition(**changes),
        f"import numpy as np\ndef engineer(c):\n    {body}\n".encode(),
        digest=None,
    )


def _blocks(rows: int = 2) -> BlockTable:
    """`COLUMNS` as one array per type."""
    layout = BlockLayout(_definition().columns)
    arrays = [
        np.stack([COLUMNS[name][:rows] for name in block.names], axis=1) for block in layout.blocks
    ]
    return layout.table(arrays)


def test_no_file_is_the_raw_columns() -> None:
    """Without features.py the very same mapping comes back, also when it is one of blocks."""
    features = code.load(_definition(), None, digest=None)
    blocks = _blocks()

    assert features.apply(COLUMNS) is COLUMNS
    assert features.apply(blocks) is blocks
    assert [
        ("income", "float64"),
        ("city", "string"),
        ("children", "int64"),
        ("member", "bool"),
    ] == [(feature.name, feature.dtype) for feature in features.features]


def test_the_code_gets_the_columns_of_blocks_contiguous() -> None:
    """It computes the same as with single columns, whichever strides the blocks have."""
    features = _load(
        "return {'contiguous': np.full(len(c['city']), c['income'].flags.c_contiguous)}"
    )

    assert [True, True] == features.apply(_blocks())["contiguous"].tolist()


def test_types_are_brought_to_ours() -> None:
    """Narrow numbers become float64 and int64, NumPy strings become str objects."""
    features = _load(
        "return {'a': c['income'].astype('f4'), 'b': c['children'].astype('u1'), "
        "'d': c['member'], 'e': np.array(['x'] * len(c['income']))}"
    )
    made = features.apply(COLUMNS)

    assert [("a", "float64"), ("b", "int64"), ("d", "bool"), ("e", "string")] == [
        (item.name, item.dtype) for item in features.features
    ]
    assert [np.float64, np.int64, np.bool_, np.object_] == [
        array.dtype.type for array in made.values()
    ]
    assert type(made["e"][0]) is str


def test_probes_stay_inside_the_declared_ranges() -> None:
    """Code that trusts its ranges is not refused for values that can't come."""
    body = (
        "assert (c['income'] >= 10).all() and (c['income'] <= 20).all() "
        "and (c['children'] >= 1).all(); return {'a': c['income']}"
    )

    assert [
        15.0,
        16.0,
    ] == _load(body).apply(COLUMNS | {"income": np.array([15.0, 16.0])})["a"].tolist()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return {}", f"{WHERE}: engineer() must return a dict of arrays, not dict"),
        ("return c['income']", f"{WHERE}: engineer() must return a dict of arrays, not ndarray"),
        ("return {'A': c['income']}", f"{WHERE}: 'A' can't be the name of a feature"),
        ("return {'label': c['income']}", f"{WHERE}: 'label' can't be the name of a feature"),
        ("return {'ctid': c['income']}", f"{WHERE}: 'ctid' can't be the name of a feature"),
        ("return {'a': [1.0]}", "feature a is a list, not a NumPy array"),
        (
            "return {'a': c['income'].astype(complex)}",
            "feature a is an array of complex128, not a NumPy array",
        ),
        ("return {'a': c['income'][:1]}", "feature a has shape (1,), not (2,)"),
        ("return {'a': c['income'].reshape(-1, 1)}", "feature a has shape (2, 1), not (2,)"),
        (
            "return {'a': np.array([1] * len(c['income']), dtype=object)}",
            "feature a holds a int, not a string",
        ),
        ("return {'a': np.log(c['income'] * 0)}", "feature a is infinite"),
        ("return {'a': c['missing']}", f"{WHERE}, line 3: KeyError: 'missing'"),
        ("c['income'][:] = 0", f"{WHERE}, line 3: ValueError: assignment destination is read-only"),
        (
            "return {'a': c['income'] if len(c['income']) != 1 else c['children']}",
            "names or types depend on the data: a float64 and a int64",
        ),
        (
            "return {'a' if len(c['income']) else 'b': c['income']}",
            "engineer() gave b, and for other rows a",
        ),
        (
            "return {'a': np.char.upper(c['city'].astype('U')) if all(c['city']) else c['income']}",
            "depend on the data",
        ),
        (
            "return {'a': c['children'], 'b': c['income'] - c['income'].sum()}",
            "feature b of a row depends on the rows beside it",
        ),
        (
            "return {'a': 1e-15 * (c['income'] - c['income'].sum())}",
            "feature a of a row depends on the rows beside it",
        ),
        (
            "return {'a': np.argsort(c['income'])}",
            "feature a of a row depends on the rows beside it",
        ),
        (
            "return {'a': np.full(len(c['city']), 'x' if None in c['city'] else 'y', object)}",
            "feature a of a row depends on the rows",
        ),
        (
            "return {'a': c['income'], 'b': np.random.random(len(c['income']))}",
            "feature b is not the same each time",
        ),
        ("raise SystemExit(1)", f"{WHERE}, line 3: SystemExit: 1"),
    ],
)
def test_code_that_breaks_the_contract_is_refused_when_loaded(body: str, reason: str) -> None:
    """The refusal names file, line and feature."""
    with pytest.raises(InvalidInput) as refusal:
        _load(body)

    assert reason in str(refusal.value)


def test_nulls_and_last_digits_are_no_difference() -> None:
    """Nulls for nulls, and sums whose last digit depends on the batch, keep the contract."""
    body = (
        "n = len(c['income']); return {'a': np.where(c['city'] == None, np.nan, "
        "c['income'] * (1 + n * 1e-15)), 'b': c['city']}"
    )

    assert ["a", "b"] == [feature.name for feature in _load(body).features]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"def engineer(c):\n  return (", f"{WHERE}, line 2: '(' was never closed"),
        (b"x = 1\nx.y", f"{WHERE}, line 2: AttributeError: 'int' object has no attribute 'y'"),
        (
            b"import nonsense_library",
            f"{WHERE}, line 1: ModuleNotFoundError: No module named 'nonsense_library'",
        ),
        (b"", f"{WHERE} defines no function engineer(columns)"),
        (b"\xff\xfe", f"{WHERE}, line"),
        (b"\0", f"{WHERE}"),
    ],
)
def test_a_file_that_is_not_a_module_is_refused(source: bytes, reason: str) -> None:
    """Broken files are refused with file and line, whatever their bytes are."""
    with pytest.raises(InvalidInput) as refusal:
        code.load(_definition(), source, digest=None)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("body", "income", "reason"),
    [
        ("return {'a': 1 / c['income']}", 0.0, "feature a is infinite"),
        (
            "return {'a': c['income'] if (c['income'] >= 0).all() else c['children']}",
            -1.0,
            "feature a is int64, and for other rows float64",
        ),
        (
            "return {'a' if (c['income'] >= 0).all() else 'b': c['income']}",
            -1.0,
            "engineer() gave b, and for other rows a",
        ),
        (
            "return {'a': c['income'] if (c['income'] >= 0).all() else None}",
            -1.0,
            "feature a has shape NoneType, not (1,)",
        ),
        (
            "assert (c['income'] >= 0).all(); return {'a': c['income']}",
            -1.0,
            f"{WHERE}, line 3: AssertionError",
        ),
    ],
)
def test_code_that_breaks_the_contract_later_is_refused_then(
    body: str, income: float, reason: str
) -> None:
    """Rows unlike every probe can't bring another type, name or shape past the contract."""
    features = _load(body)
    with pytest.raises(InvalidInput) as refusal:
        features.apply(
            {name: array[:1] for name, array in COLUMNS.items()} | {"income": np.array([income])}
        )

    assert reason in str(refusal.value)


def test_a_nan_is_a_null() -> None:
    """Zero by zero is a null, not a fault."""
    made = _load("return {'a': (c['income'] - 15) / (c['income'] - 15)}").apply(
        COLUMNS | {"income": np.array([15.0, 16.0])}
    )

    assert "[nan, 1.0]" == repr(made["a"].tolist())


def test_dataclasses_work() -> None:
    """The file is a module like any other: what looks its module up finds it."""
    source = (
        b"from __future__ import annotations\nfrom dataclasses import dataclass\n"
        b"@dataclass\nclass A:\n    x: int\n"
        b"def engineer(c):\n    return {'a': c['income'] + A(1).x}\n"
    )

    assert [2.0, 3.0] == code.load(_definition(), source, digest=None).apply(COLUMNS)["a"].tolist()


def test_other_code_than_recorded_is_not_run() -> None:
    """The digest is compared before the first line runs."""
    with pytest.raises(DigestMismatch, match="recorded was 000000000000"):
        code.load(_definition(), b"raise SystemExit('it ran')", digest="0" * 64)

    source = b"def engineer(c):\n    return {'a': c['income']}\n"
    digest = features_digest(_definition(), source)
    assert code.load(_definition(), source, digest=digest).digest == digest


def test_the_digest_covers_what_decides_about_a_row() -> None:
    """Columns, target, key, time, weight and code do; descriptions, examples and gates don't."""
    plain = _definition()
    columns = [column.model_dump() for column in plain.columns]
    described = [columns[0] | {"description": "a month", "example": 12}, *columns[1:]]
    formed = [columns[0], columns[1] | {"pattern": "[A-Z].*"}, *columns[2:]]
    base = features_digest(plain, b"x")
    same = [
        features_digest(_definition(columns=described), b"x"),
        features_digest(_definition(gates=[{"metric": "f1", "min": 0.1}], approval="auto"), b"x"),
    ]
    other = [
        features_digest(plain, b"y"),
        features_digest(plain, None),
        features_digest(plain, b""),
        features_digest(_definition(key="id"), b"x"),
        features_digest(_definition(time="at"), b"x"),
        features_digest(_definition(weight="counts"), b"x"),
        features_digest(
            _definition(target={"name": "late", "dtype": "string", "values": ["no", "yes"]}), b"x"
        ),
        features_digest(_definition(columns=[columns[0] | {"max": 30}, *columns[1:]]), b"x"),
        features_digest(_definition(columns=columns[::-1]), b"x"),
        features_digest(_definition(columns=formed), b"x"),
    ]

    assert {base} == set(same)
    assert len({base, *other}) == 1 + len(other)
