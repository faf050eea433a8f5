"""Every kind of access leaves the entries that it should, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlplatform.access import Caller, Role
from mlplatform.dataapi.audit import AuditLog
from mlplatform.errors import Forbidden, Refused

WRITER = Caller(name="writer", roles=(Role.WRITER,), pipelines=("one",), sha256="0" * 64)
MAY = {"roles": [Role.WRITER], "pipeline": "one"}
MAY_NOT = {"roles": [Role.APPROVER], "pipeline": "one"}


@pytest.fixture
def audit(pool: Any) -> AuditLog:
    """An audit log on the warehouse."""
    return AuditLog(pool)


def _entries(databases: Any) -> list[tuple[Any, ...]]:
    with databases.connect("dataapi", "warehouse") as connection:
        return connection.execute(
            "SELECT caller, action, subject, rows, outcome, detail FROM control.ledger ORDER BY id"
        ).fetchall()


def _lease(connection: Any) -> None:
    connection.execute("INSERT INTO control.leases VALUES ('one', 'somebody', now())")


def _leases(databases: Any) -> int:
    with databases.connect("dataapi", "warehouse") as connection:
        return int(connection.execute("SELECT count(*) FROM control.leases").fetchone()[0])


def test_a_change_and_its_entry_are_one_transaction(audit: AuditLog, databases: Any) -> None:
    """Neither can be seen before the block has ended; afterwards both can."""
    with audit.change(WRITER, "apply", "one", **MAY) as (entry, connection):
        _lease(connection)
        entry.rows, entry.detail = 1, {"why": "test"}
        before = _leases(databases), _entries(databases)

    assert (0, []) == before
    assert 1 == _leases(databases)
    assert [("writer", "apply", "one", 1, "ok", {"why": "test"})] == _entries(databases)


def test_a_change_that_is_refused_leaves_its_refusal_only(audit: AuditLog, databases: Any) -> None:
    """What the block wrote is gone; the entry says why, beside what was known of the change."""

    def change() -> None:
        with audit.change(WRITER, "apply", "one", **MAY) as (entry, connection):
            _lease(connection)
            entry.detail = {"why": "test"}
            raise Refused("not now", field="pipeline")

    with pytest.raises(Refused):
        change()

    assert 0 == _leases(databases)
    detail = {"why": "test", "reason": "not now"}
    assert [("writer", "apply", "one", None, "Refused", detail)] == _entries(databases)


def test_an_access_is_entered_after_its_block(audit: AuditLog, databases: Any) -> None:
    """With what the block found; a failure of any kind is entered in its place."""
    with audit.access(WRITER, "read", "one.labels", **MAY) as entry:
        entry.rows = 7
        before = _entries(databases)
    with pytest.raises(ZeroDivisionError), audit.access(WRITER, "read", "one.labels", **MAY):
        _ = 1 / 0

    assert [] == before
    assert [
        ("writer", "read", "one.labels", 7, "ok", {}),
        ("writer", "read", "one.labels", None, "ZeroDivisionError", {}),
    ] == _entries(databases)


def test_an_attempt_enters_what_went_wrong_only(audit: AuditLog, databases: Any) -> None:
    """What went well its block enters itself; a generator that is closed half way is `cut`."""

    def stream() -> Iterator[int]:
        with audit.attempt(WRITER, "read", "one.labels", **MAY) as entry:
            entry.rows = 3
            yield 1

    list(stream())
    cut = stream()
    next(cut)
    cut.close()

    assert [("writer", "read", "one.labels", 3, "cut", {})] == _entries(databases)


def test_viewing_leaves_the_entry_to_the_route(audit: AuditLog, databases: Any) -> None:
    """What is no data is entered where its request ends: here only the role is checked."""
    with audit.viewing(WRITER, "one", **MAY):
        pass
    with pytest.raises(Refused), audit.viewing(WRITER, "one", **MAY):
        raise Refused("not now", field="pipeline")
    with pytest.raises(Forbidden), audit.viewing(WRITER, "one", **MAY_NOT):
        pass

    assert [] == _entries(databases)


@pytest.mark.parametrize("kind", ["change", "access", "attempt"])
def test_who_may_not_is_refused_before_the_block(
    audit: AuditLog, databases: Any, kind: str
) -> None:
    """The block is not run, and the refusal is entered with its reason."""
    ran = False
    with pytest.raises(Forbidden), getattr(audit, kind)(WRITER, "apply", "one", **MAY_NOT):
        ran = True

    ((*entry, detail),) = _entries(databases)
    assert not ran
    assert ["writer", "apply", "one", None, "Forbidden"] == entry
    assert "role approver" in detail["reason"]
