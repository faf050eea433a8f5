"""Alembic's entry: runs inside the transaction that `database.migrate` has opened and locked."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="public",
    transactional_ddl=True,
)
context.run_migrations()
