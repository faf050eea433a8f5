"""A champion can be withdrawn."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
