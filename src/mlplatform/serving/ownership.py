"""Whether this outbox may go on numbering under its identity.

A folder that came back from an older copy, or that runs beside the one it was copied from, would
give numbers for the second time. The data API knows which run owns an identity, and how far it
was. It is asked before the first request; when it can't be, the outbox takes a new identity.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from uuid import UUID

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.outbox_report import (
    MOST_DAMAGES,
    DamagedRange,
    OutboxAnswer,
    OutboxReport,
)
from mlplatform.errors import PlatformError
from mlplatform.outbox import OutboxStatus, OutboxWriter


def claim(writer: OutboxWriter, api: DataApi) -> None:
    """Let the writer keep the identity that it found, or take a new one. Raises Unavailable."""
    if writer.made:  # nobody else can have it
        return
    status = writer.status()
    said = report(
        status,
        versions={},
        closed=False,
        incarnation=writer.incarnation,
        previous=writer.previous,
    )
    try:
        answer = api.report_outbox(writer.outbox_id, said)
    except PlatformError as error:
        writer.renew(f"the data API can't say whether this folder is an older copy: {error}")
        return
    if why := doubt(answer, status.accepted):
        writer.renew(why)
    else:
        writer.confirm()


def doubt(answer: OutboxAnswer, accepted: int) -> str:
    """Why the next number may have been given already; nothing when it was not."""
    if answer.superseded:
        return "another run has this identity, or had: this folder is an older or second copy"
    if answer.known > accepted:
        return f"the data API knows record {answer.known} of it: this folder is an older copy"
    return ""


def report(
    status: OutboxStatus,
    *,
    versions: Mapping[str, str],
    closed: bool,
    incarnation: str | None = None,
    previous: str | None = None,
) -> OutboxReport:
    """What an outbox says of one of its identities."""
    mine = [each for each in status.damaged if each.outbox_id == status.outbox_id]
    return OutboxReport(
        host=socket.gethostname(),
        accepted=status.accepted,
        acknowledged=status.acknowledged,
        versions=dict(versions),
        closed=closed,
        incarnation=UUID(incarnation) if incarnation else None,
        previous=UUID(previous) if previous else None,
        damaged=[
            DamagedRange(first=each.first, last=each.last, file=each.file, offset=each.offset)
            for each in mine[:MOST_DAMAGES]
        ],
    )
