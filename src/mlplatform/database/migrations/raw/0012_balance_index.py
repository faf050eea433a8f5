"""The index of the raw rows also holds how many rows a request has, which the balance sums up."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
