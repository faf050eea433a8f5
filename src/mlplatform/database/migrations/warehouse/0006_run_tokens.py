"""A lease comes with a token for its run."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
