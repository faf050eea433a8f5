"""What a proof of the balance keeps, so that later balances count only what came since."""

from __future__ import annotations

from alembic import op

from mlplatform.database import scripts

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the .sql file of the same name."""
    scripts.run(op.get_bind(), __file__)
