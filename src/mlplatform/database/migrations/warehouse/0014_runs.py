"""Records of training runs."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
