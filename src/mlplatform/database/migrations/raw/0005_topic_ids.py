"""A topic's own id beside the offsets; rows stored below others are noted for etl."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
