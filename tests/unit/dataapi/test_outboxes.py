"""Which of two copies of an outbox owns its identity."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.dataapi.outboxes import superseded
from mlplatform.database.outboxes import KnownOutbox

A, B, C = uuid4(), uuid4(), uuid4()


def said(accepted: int, run: UUID | None, previous: UUID | None) -> OutboxReport:
    return OutboxReport(
        host="h", accepted=accepted, acknowledged=0, incarnation=run, previous=previous
    )


@pytest.mark.parametrize(
    ("known", "report", "refused"),
    [
        (KnownOutbox(0, None), said(0, A, None), False),  # the first report
        (KnownOutbox(9, str(A)), said(9, A, None), False),  # the owner goes on
        (KnownOutbox(9, str(A)), said(7, A, None), False),  # its late message
        (KnownOutbox(9, str(A)), said(9, B, A), False),  # a restart on the same folder
        (KnownOutbox(9, str(A)), said(7, B, A), True),  # the same on an older copy of it
        (KnownOutbox(9, str(B)), said(9, C, A), True),  # a copy made before the last start
        (KnownOutbox(9, str(A)), said(12, C, None), True),  # nothing is known of its past
        (KnownOutbox(9, None), said(7, A, None), True),  # known from rows only, and further
        (KnownOutbox(9, None), said(9, A, None), False),  # the first report after an upgrade
        (KnownOutbox(9, str(A)), said(3, None, None), False),  # a serving of before
        (KnownOutbox(9, str(A)), said(12, B, A), False),  # the database lost the last reports
    ],
)
def test_one_run_owns_an_identity(known: KnownOutbox, report: OutboxReport, refused: bool) -> None:
    """A run that neither is the known one nor follows it, or knows less, is refused."""
    assert refused == superseded(known, report)
