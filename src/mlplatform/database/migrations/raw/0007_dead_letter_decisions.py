"""Dead letters have ids, and people decide about them; redriven ones are rows of their own topic."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
