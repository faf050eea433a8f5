"""Roles, and what each may do (sql/roles.sql).

All of it may run again; local mode and the chart use the same statements.

A role of the server has no password of ours: local mode sets generated ones, on a cluster the
operator does.
"""

from __future__ import annotations

from typing import Literal

from psycopg import sql
from pydantic import SecretStr

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

Database = Literal["raw", "warehouse", "mlflow"]
ROLES = ("owner", "consumer", "etl", "dataapi", "reader", "mlflow", "backup")
"""Roles by component; on the server each is called `mlplatform_<name>`."""
OWNERS: dict[Database, str] = {
    "raw": "mlplatform_owner",
    "warehouse": "mlplatform_owner",
    "mlflow": "mlplatform_mlflow",
}
TRIGGER_SINCE = 170000
"""First server version with login triggers.

Before it only the readers themselves can tell a primary from a standby.
"""


def create_roles(connection: Connection) -> None:
    """Make missing roles and their memberships. Needs a superuser."""
    _run(connection, queries.load("roles")["roles"])


def set_password(connection: Connection, role: str, password: SecretStr) -> None:
    """Give a role a password.

    It goes over the wire as a SCRAM verifier, so that no log of the server can hold it.
    """
    verifier = connection.pgconn.encrypt_password(
        password.get_secret_value().encode(), role.encode(), b"scram-sha-256"
    )
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(verifier.decode())
        )
    )


def create_database(
    connection: Connection, name: str, kind: Database, *, template: str | None = None
) -> None:
    """Make a database with its owner if it is missing, and say who may connect.

    Needs a superuser's autocommit connection.
    """
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name),
                sql.Identifier(OWNERS[kind]),
                sql.Identifier(template or "template0"),
            )
        )
    allow_connections(connection, name, kind)


def allow_connections(connection: Connection, name: str, kind: Database) -> None:
    """Say which roles may connect to a database of that kind. The owner or a superuser may."""
    statement = queries.load("roles")[f"database_{kind}"]
    _run(connection, statement.replace("{database}", sql.Identifier(name).as_string(connection)))


def install_login_trigger(connection: Connection) -> bool:
    """Make this database refuse the reader role while its server is a primary. Needs a superuser.

    False when the server is older than PostgreSQL 17 and can't.
    """
    if connection.info.server_version < TRIGGER_SINCE:
        return False
    _run(connection, queries.load("roles")["login_trigger"])
    return True


def grant(connection: Connection, kind: Database) -> None:
    """Rights inside a database of that kind; its owner runs it."""
    _run(connection, queries.load("roles")[f"grants_{kind}"])


def _run(connection: Connection, statements: str) -> None:
    connection.execute(statements.encode())  # bytes: from our own files, never from outside
