"""Receipts of datasets.

A receipt that is there proves that its stream was complete and came from a standby.
"""

from __future__ import annotations

from psycopg.types.json import Jsonb

from mlplatform.contracts.dataset import ForgottenRead, KnownReceipt, Receipt
from mlplatform.database import queries
from mlplatform.database.sessions import Connection
from mlplatform.errors import UnknownName

SQL = queries.load("receipts")


def add(connection: Connection, receipt: Receipt) -> None:
    """Keep a receipt."""
    document = Jsonb(receipt.model_dump(mode="json"))
    connection.execute(
        SQL["add"], {"id": receipt.id, "dataset": receipt.dataset, "receipt": document}
    )


def find(connection: Connection, receipt_id: str) -> Receipt:
    """The receipt of that id. Raises UnknownName: the stream did not end well, or never was."""
    row = connection.execute(SQL["find"], {"id": receipt_id}).fetchone()
    if row is None:
        raise UnknownName(
            f"there is no receipt '{receipt_id}': its stream did not end well", field="id"
        )
    return Receipt.model_validate(row[0])


def known(connection: Connection, receipt_id: str) -> KnownReceipt:
    """The same, with what was forgotten since of a version's dataset."""
    receipt = find(connection, receipt_id)
    gone = connection.execute(SQL["forgotten"], {"id": receipt_id}).fetchall()
    forgotten = [ForgottenRead(entry=entry, rows=rows) for entry, rows in gone]
    return KnownReceipt(**receipt.model_dump(), forgotten=tuple(forgotten))
