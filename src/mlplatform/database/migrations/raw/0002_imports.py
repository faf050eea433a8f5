"""Imports by the key of their sender."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
