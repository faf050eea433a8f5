"""Removal of what is past its days, and what the balance needs of it."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
