"""Stored requests, of which some are older than the rule that redacts their columns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.raw_requests import RawRequest
from mlplatform.etl.batch import process
from mlplatform.etl.redacting import redacted
from mlplatform.features.code import load
from mlplatform.features.redact import NOT_KEPT, Redactor

DEFINITION = PipelineDefinition.parse(
    {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [
            {"name": "ssn", "dtype": "string"},
            {"name": "note", "dtype": "string"},
            {"name": "income", "dtype": "float64", "min": 0},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "customer",
        "redact": {"ssn": "hash", "note": "drop", "customer": "hash"},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8}],
    }
)
REDACTOR = Redactor("loans", DEFINITION.redact, b"k" * 32)
FEATURES = load(DEFINITION, None, digest=None)
PLAIN = {"ssn": ["078-05-1120"], "note": ["at night"], "income": [1.0], "customer": [777]}


def _request(inputs: Any, **changes: Any) -> RawRequest:
    text = inputs if isinstance(inputs, str) else json.dumps(inputs)
    request = RawRequest(
        "0192f0c1-0000-7000-8000-000000000001",
        "request",
        "requests",
        0,
        1,
        datetime(2026, 1, 1, tzinfo=UTC),
        1,
        text,
    )
    return replace(request, **changes)


def test_rows_from_before_the_rule_make_the_same_features_as_later_ones() -> None:
    """The history need not be imported again, and keys find rows of both kinds."""
    later = REDACTOR.columns(PLAIN)
    batches = [
        process(redacted([_request(inputs)], REDACTOR), DEFINITION, FEATURES)
        for inputs in (PLAIN, later)
    ]

    assert {"ssn", "income"} == batches[0].features.keys()
    for batch in batches:
        assert [REDACTOR.hash("078-05-1120")] == batch.features["ssn"].tolist()
        assert [REDACTOR.hash("777")] == batch.keys
        assert [] == list(batch.bad)


def test_the_quarantine_gets_no_value() -> None:
    """Neither of a row that breaks a rule, nor of what is no table at all."""
    bad = {**PLAIN, "income": [-1.0]}
    texts = ['["078-05-1120"]', "078-05-1120", '{"ssn": "078-05-1120", "income": [1.0]}']
    requests = [_request(bad), *map(_request, texts)]
    outcome = process(redacted(requests, REDACTOR), DEFINITION, FEATURES)

    assert 4 == len(outcome.bad)
    assert "078-05-1120" not in repr(outcome.bad) + "at night"
    assert "at night" not in repr(outcome.bad)
    assert {"inputs": NOT_KEPT} == outcome.bad[1].payload


def test_corrections_are_redacted_as_the_row_is() -> None:
    """One that was made before the rule holds the value."""
    corrections = {0: {"ssn": "111-11-1111", "income": 2.0}}
    requests = [_request(PLAIN, corrections=corrections)]
    outcome = process(redacted(requests, REDACTOR), DEFINITION, FEATURES)

    assert [REDACTOR.hash("111-11-1111")] == outcome.features["ssn"].tolist()
    assert [2.0] == outcome.features["income"].tolist()


def test_without_rules_requests_are_left_as_they_are() -> None:
    """Nothing is decoded for a pipeline that redacts nothing."""
    request = _request("no JSON")

    assert request is redacted([request], None)[0]
