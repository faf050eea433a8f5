"""First schema of the warehouse database."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
