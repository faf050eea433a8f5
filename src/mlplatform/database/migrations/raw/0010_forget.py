"""Rows of a person that were forgotten: marks, and the functions that remove what they hold."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
