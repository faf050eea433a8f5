"""Removal of what is past its days, legal holds, and what no receipt may lose."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
