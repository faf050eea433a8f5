"""A pipeline that redacts, at the data API: nothing in its databases holds a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlplatform.errors import InvalidInput, Refused, TooLarge
from mlplatform.features.redact import NOT_KEPT, Redactor

NAME = "redacting"
SECRET = "Zq7-never-stored"
RULES = {"colour": "hash", "memo": "drop", "plant": "hash"}
REDACTOR = Redactor(NAME, RULES, b"k" * 32)  # type: ignore[arg-type]
COLUMNS = [
    {"name": "width", "dtype": "float64"},
    {"name": "colour", "dtype": "string", "nullable": True},
    {"name": "memo", "dtype": "string"},
]
ROW = {"width": 1.5, "colour": f"{SECRET} red", "memo": f"{SECRET} memo", "plant": SECRET}
TABLES = (
    "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
)


@pytest.fixture
def redacting(api: Any) -> Any:
    """The data API, with a pipeline that redacts."""
    _apply(api)
    return api


def _apply(api: Any) -> None:
    api.apply(NAME, columns=COLUMNS, key="plant", redact=RULES)


def _holding(api: Any, text: str) -> list[str]:
    """The tables of both databases with a row that holds a text."""
    found = []
    for database in ("raw", "warehouse"):
        with api.databases.connect("owner", database) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                rows = connection.execute(
                    f"SELECT count(*) FROM {table} t WHERE strpos(t::text, %s) > 0", [text]
                )
                found += [table] if rows.fetchone()[0] else []
    return found


def _inputs(api: Any) -> list[Any]:
    with api.databases.connect("dataapi", "raw") as connection:
        rows = connection.execute("SELECT inputs::text FROM raw.requests ORDER BY log_offset")
        return [json.loads(inputs) for (inputs,) in rows.fetchall()]


def test_without_a_key_the_definition_is_not_applied(
    start: Callable[..., Any], databases: Any, tmp_path: Path
) -> None:
    """The refusal names the key of pipeline.yaml and the setting."""
    api = start(databases, tmp_path, redaction_key=None)

    with pytest.raises(InvalidInput, match="MLPLATFORM_REDACTION__KEY") as refused:
        _apply(api)
    assert "redact" == refused.value.field


def test_serving_reads_the_rules_with_the_promotion_record(redacting: Any) -> None:
    """They hold whichever version serves; other pipelines have none."""
    with redacting.client("serving") as client:
        found = [client.model_status(name).redact for name in (NAME, "manual-one")]

    assert [RULES, {}] == found


def test_an_import_stores_hashes_and_no_table_a_value(redacting: Any) -> None:
    """Neither a row nor a refused record, a reason, a key of the import or the ledger."""
    lines = [json.dumps(ROW), f'{{"colour": "{SECRET}"', json.dumps({**ROW, "colour": 7})]
    body = "\n".join(lines).encode()
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{SECRET}-1"}
    path = f"/v1/datasets/{NAME}.requests/rows"
    answers = [
        redacting.call("writer", "POST", path, content=body, headers=headers) for _ in range(2)
    ]
    csv = {"Content-Type": "text/csv"}
    with pytest.raises(InvalidInput):
        redacting.call("writer", "POST", path, content=f"{SECRET},1\n".encode(), headers=csv)
    with pytest.raises(Refused, match="another body"):
        redacting.call("writer", "POST", path, content=body + b"\n{}", headers=headers)

    assert answers[0] == answers[1]
    assert (1, 2, f"{SECRET}-1") == (
        answers[0]["accepted"],
        answers[0]["quarantined"],
        answers[0]["import"],
    )
    stored = {name: [value] for name, value in REDACTOR.row(ROW).items()}
    assert [stored] == _inputs(redacting)
    assert ["raw.requests"] == [
        name for name in _holding(redacting, REDACTOR.hash(SECRET)) if "requests_2" not in name
    ]
    assert [] == _holding(redacting, SECRET)


def test_a_correction_is_stored_as_the_row_would_be(redacting: Any) -> None:
    """What is dropped can't be corrected."""
    redacting.send(NAME, [{**ROW, "width": None}])
    redacting.featurise(NAME)
    with redacting.client("admin") as client:
        (entry,) = client.quarantine(NAME)
        done = client.correct_quarantined(
            entry.id, {"width": 2.0, "colour": f"{SECRET} blue"}, why="measured again"
        )
        with pytest.raises(InvalidInput, match="nothing to correct"):
            client.correct_quarantined(entry.id, {"memo": SECRET}, why="no")

    assert {"width": 2.0, "colour": REDACTOR.hash(f"{SECRET} blue")} == done.fields
    assert "warehouse.corrections" in _holding(redacting, done.fields["colour"])
    assert [] == _holding(redacting, SECRET)


def test_a_person_is_forgotten_by_the_key_as_it_was_sent(redacting: Any) -> None:
    """The data API hashes the key that it is given, as it has hashed those of the rows."""
    redacting.send(NAME, [ROW, {**ROW, "plant": "another"}])
    redacting.featurise(NAME)
    with redacting.client("admin") as client:
        done = client.forget(NAME, SECRET, why="request 12")

    assert (1, 1) == (done.requests, done.rows)
    assert [] == _holding(redacting, REDACTOR.hash(SECRET))
    assert _holding(redacting, REDACTOR.hash("another"))


def test_rows_that_were_sent_as_labels_are_not_kept(redacting: Any) -> None:
    """A mistake is not the way around a rule: of an item only a label's own fields are kept."""
    items = [{"label": "rose", **ROW}, SECRET, {"label": [ROW], "request_id": SECRET[:0]}]
    answer = redacting.call(
        "writer", "POST", f"/v1/feedback?pipeline={NAME}", json={"labels": items}
    )
    with redacting.client("admin") as client:
        kept = [entry.payload for entry in client.quarantine(NAME)]

    assert 3 == len(answer["refused"])
    assert {"line": NOT_KEPT} in kept
    assert {"label": {"label": "rose"}} in kept
    assert [] == _holding(redacting, SECRET)


def test_a_body_that_would_go_to_a_disk_is_refused(redacting: Any) -> None:
    """It would lie in a temporary file; `mlplatform import` sends smaller pieces."""
    body = (json.dumps(ROW) + "\n").encode() * 200_000
    headers = {"Content-Type": "application/x-ndjson"}
    for name, refused in (("manual-one", False), (NAME, True)):
        path = f"/v1/datasets/{name}.requests/rows"
        if refused:
            with pytest.raises(TooLarge, match="not put on a disk"):
                redacting.call("writer", "POST", path, content=body, headers=headers)
        else:
            redacting.call("writer", "POST", path, content=body[: 1 << 20], headers=headers)
