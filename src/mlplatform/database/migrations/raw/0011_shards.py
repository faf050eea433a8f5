"""Several raw servers, each with partitions of the queue of its own."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
