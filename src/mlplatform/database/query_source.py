"""A query on somebody's own PostgreSQL as Arrow batches: read only, in bounded memory.

The server streams what the query gives (COPY), in one transaction that can't write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from mlplatform.database import queries
from mlplatform.database.arrow import ArrowSession
from mlplatform.database.query_address import query_address
from mlplatform.database.query_columns import as_single_values
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import InvalidInput, PlatformError, Unavailable

_READS = "one SELECT (or WITH, VALUES, TABLE) that reads, without a second statement"


@dataclass(frozen=True)
class QueryRows:
    """The columns of a query, and its rows, which can be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@contextmanager
def open_query(dsn: str, statement: str) -> Iterator[QueryRows]:
    """The rows of one SELECT. `dsn`: a URL or `host=… dbname=…`; what it lacks libpq finds.

    That is: in PGHOST, PGUSER, PGPASSWORD and so on, and in its password file. Opening, and reading
    batches, raise SettingsError for a `dsn` that is none, Unavailable while the server is away or
    refuses the login, InvalidInput for a statement that it refuses, and for a column of a type that
    no row can hold.
    """
    address = query_address(dsn)
    query = statement.strip().rstrip(";").rstrip()
    if not query:
        raise InvalidInput("is empty", field="--sql", fix=f"give {_READS}")
    columns = _columns(address, query)
    with closing(_QuerySession(address, name="of --dsn")) as session:
        whole = f"SELECT {columns} FROM (\n{query}\n) AS query"  # noqa: S608  (its owner's)
        yield QueryRows(*session.stream(whole))


class _QuerySession(ArrowSession):
    """A session with somebody else's server, whose errors are about the query."""

    def _run(self, statement: str) -> None:
        super()._run(statement)
        for name in ("whole", "same_start", "same_order"):
            super()._run(queries.load("query_source")[name])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PlatformError:
            raise
        except Exception as error:
            # As broad as this: the driver raises its own errors, Arrow's and OSError, by the place.
            text = str(error).partition("Query was:")[0].partition("ERROR:")[2].strip()
            if not text:
                raise _away(error) from None
            raise _refused(" ".join(text.split())) from error


def _columns(address: str, query: str) -> str:
    """The query's columns as a list of SQL, with casts to types of single values."""
    try:
        connection: Connection = psycopg.connect(address)
    except psycopg.Error as error:
        raise _away(error) from None
    with closing(connection):
        connection.read_only = True
        try:
            # Prepared: the server takes no second statement with it.
            empty = f"SELECT * FROM (\n{query}\n) AS query LIMIT 0"  # noqa: S608  (its owner's)
            found = connection.execute(empty.encode(), prepare=True).description
            types = [column.type_code for column in found or ()]
            known = connection.execute(queries.load("query_source")["types"], {"types": types})
            return as_single_values(found or (), {row[0]: (row[1], row[2]) for row in known})
        except psycopg.Error as error:
            if error.diag.message_primary is None:
                raise _away(error) from None
            raise _refused(error.diag.message_primary) from error


def _refused(why: str) -> InvalidInput:
    return InvalidInput(
        f"the database refuses the query: {why}", field="--sql", fix=f"give {_READS}"
    )


def _away(error: Exception) -> Unavailable:
    return Unavailable(f"the database of --dsn: {one_line(error)}", field="--dsn")
