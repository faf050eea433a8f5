"""What proves a row: its digest, its salt, and its place in the chain of its outbox."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
