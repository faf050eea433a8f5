"""The address of somebody's own PostgreSQL, as a person gives it.

No error holds a password: libpq quotes a connection string that it can't read, so that is never
repeated.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mlplatform.errors import SettingsError

CONNECT_S = 10
NAME = "mlplatform import"
_NO_DSN = "is not a connection string of PostgreSQL"
_DSN = (
    "postgresql://USER@HOST:PORT/DATABASE, or 'host=… dbname=…'; the password may come from "
    "PGPASSWORD or ~/.pgpass, and in a URL @, : and / of it are written %40, %3A and %2F"
)


def query_address(dsn: str) -> str:
    """As libpq takes it. Raises SettingsError for what is none, or has a password in a wrong place.

    `u:p@ss@host` would have libpq look for a host `ss@host`, and say so.
    """
    try:
        given = conninfo_to_dict(dsn)
        places = [str(given.get(name) or "") for name in ("host", "dbname")]
        ports = str(given.get("port") or "0").split(",")
        if any("@" in each for each in places) or not all(map(str.isdigit, ports)):
            raise SettingsError(_NO_DSN, field="--dsn", fix=_DSN)
        ours: dict[str, Any] = {"application_name": NAME, "connect_timeout": CONNECT_S}
        return make_conninfo(dsn, **{name: ours[name] for name in ours if name not in given})
    except psycopg.Error:
        raise SettingsError(_NO_DSN, field="--dsn", fix=_DSN) from None
