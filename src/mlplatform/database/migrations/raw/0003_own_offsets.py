"""Each writer has its own offsets; a batch is never taken for one from before a restore."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
