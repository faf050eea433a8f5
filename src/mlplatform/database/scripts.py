"""Run a migration's .sql file."""

from __future__ import annotations

from pathlib import Path

import psycopg
from sqlalchemy.engine import Connection


def run(connection: Connection, version_file: str) -> None:
    """Run the .sql file beside a version file as one script, in the migration's transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(Path(version_file).with_suffix(".sql").read_bytes())
