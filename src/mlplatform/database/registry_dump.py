"""The registry's rows as files: MLflow's whole database, and our promotion record beside it.

Rows are read with COPY over a connection, since pg_dump refuses servers newer than itself. MLflow's
tables are not described here: they are found in the catalogue, and the schema's revision is
recorded, so that a restore can insist on the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr

from mlplatform.database import queries
from mlplatform.database.pools import conninfo
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import Refused, Unavailable
from mlplatform.settings import PostgresSettings

CONTROL_TABLES = ("pipelines", "model_versions", "promotions", "receipts")
"""What proves who may serve; in the order in which they can be filled. feature_sets is left out: it
names tables of one warehouse, and `apply` makes its rows anew."""
_SIZE = 1 << 18


@dataclass(frozen=True)
class TableDump:
    """One table in one file: COPY's text format, these columns."""

    name: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Version:
    """A version as the promotion record knows it."""

    pipeline: str
    version: str
    state: str
    run_id: str
    artifacts: str
    manifest_sha256: str


class RegistryRows:
    """One database session for one dump or restore. `name` appears in pg_stat_activity."""

    def __init__(self, dsn: SecretStr, settings: PostgresSettings, *, name: str) -> None:
        self._conninfo = conninfo(dsn, settings, name=name)
        self._queries = queries.load("registry_dump")

    def dump_mlflow(self, folder: Path) -> tuple[str, list[TableDump], list[str]]:
        """(schema revision, tables, artifact folders of the versions' runs) of one moment.

        Raises Refused when MLflow never started.
        """
        with self._transaction(snapshot=True) as connection:
            revision = self._revision(connection)
            tables = [
                _copy_out(connection, "public", name, columns, folder)
                for name, columns in self._tables(connection, "public")
            ]
            runs = [str(row[0]) for row in connection.execute(self._queries["runs"])]
        return revision, tables, runs

    def dump_control(self, folder: Path) -> tuple[list[TableDump], list[Version]]:
        """(tables, versions) of the promotion record at one moment."""
        with self._transaction(snapshot=True) as connection:
            columns = dict(self._tables(connection, "control"))
            tables = [
                _copy_out(connection, "control", name, columns[name], folder)
                for name in CONTROL_TABLES
            ]
            versions = self._versions(connection)
        return tables, versions

    def versions(self) -> list[Version]:
        """Versions that the promotion record holds now."""
        with self._transaction(snapshot=True) as connection:
            return self._versions(connection)

    def occupied(self) -> bool:
        """True when MLflow's database holds runs or models.

        Raises Refused when MLflow never started on it.
        """
        with self._transaction(snapshot=True) as connection:
            self._revision(connection)
            row = connection.execute(self._queries["occupied"]).fetchone()
            assert row is not None
            return bool(row[0])

    def restore_mlflow(
        self,
        folder: Path,
        revision: str,
        tables: Sequence[TableDump],
        *,
        highest: Mapping[str, int],
    ) -> None:
        """Replace all rows of MLflow's database by those of a dump, in one transaction.

        `highest`: the last number that each model's versions have ever had. Raises Refused when the
        schemas differ.
        """
        with self._transaction() as connection:
            if (found := self._revision(connection)) != revision:
                raise Refused(
                    f"the snapshot is of MLflow schema {revision}, the database has {found}",
                    fix="start the MLflow version that made it, once",
                )
            present = dict(self._tables(connection, "public"))
            own = [table for table in tables if table.name != "alembic_version"]
            ordered = self._in_order(connection, "public", own)
            _refuse_unknown(ordered, present)
            names = [name for name in present if name != "alembic_version"]
            emptied = sql.SQL(", ").join(sql.Identifier("public", name) for name in names)
            connection.execute(sql.SQL("TRUNCATE {}").format(emptied))
            self._fill(connection, "public", ordered, folder)
            self._keep_numbers(connection, highest)

    def restore_control(self, folder: Path, tables: Sequence[TableDump]) -> None:
        """Replace versions, promotions and receipts by those of a dump, in one transaction.

        Pipelines that are missing are added.
        """
        with self._transaction() as connection:
            by_name = {table.name: table for table in tables}
            emptied = sql.SQL(", ").join(
                sql.Identifier("control", name) for name in CONTROL_TABLES if name != "pipelines"
            )
            connection.execute(sql.SQL("TRUNCATE {}").format(emptied))
            _merge(connection, by_name["pipelines"], folder)
            self._fill(
                connection,
                "control",
                [by_name[name] for name in CONTROL_TABLES if name != "pipelines"],
                folder,
            )

    def _fill(
        self,
        connection: Connection,
        schema: str,
        tables: Sequence[TableDump],
        folder: Path,
    ) -> None:
        names = {table.name for table in tables}
        for table in tables:
            _copy_in(connection, sql.Identifier(schema, table.name), table, folder)
        for table_name, column, sequence in connection.execute(
            self._queries["sequences"], {"schema": schema}
        ).fetchall():
            if table_name in names:
                connection.execute(
                    sql.SQL("SELECT setval(%s, coalesce(max({}), 0) + 1, false) FROM {}").format(
                        sql.Identifier(column), sql.Identifier(schema, table_name)
                    ),
                    (sequence,),
                )

    def _revision(self, connection: Connection) -> str:
        exists = connection.execute(self._queries["revision_table"]).fetchone()
        row = (
            connection.execute(self._queries["revision"]).fetchone()
            if exists and exists[0]
            else None
        )
        if row is None:
            raise Refused(
                "MLflow has not made its tables in this database",
                fix="start `mlflow server` on it once",
            )
        return str(row[0])

    def _tables(self, connection: Connection, schema: str) -> list[tuple[str, tuple[str, ...]]]:
        rows = connection.execute(self._queries["tables"], {"schema": schema}).fetchall()
        return [(name, tuple(columns)) for name, columns in rows]

    def _versions(self, connection: Connection) -> list[Version]:
        return [Version(*row) for row in connection.execute(self._queries["versions"]).fetchall()]

    def _keep_numbers(self, connection: Connection, highest: Mapping[str, int]) -> None:
        """Let MLflow continue behind the last number of each model.

        It counts from the rows that it has, and would otherwise give a number again that the
        promotion record knows.
        """
        for model, version in highest.items():
            values = {"model": model, "version": version}
            connection.execute(self._queries["keep_model"], values)
            connection.execute(self._queries["keep_number"], values)

    def _in_order(
        self, connection: Connection, schema: str, tables: Sequence[TableDump]
    ) -> list[TableDump]:
        """Such that a table comes after those that it refers to."""
        graph: TopologicalSorter[str] = TopologicalSorter({table.name: () for table in tables})
        for needing, needed in connection.execute(
            self._queries["references"], {"schema": schema}
        ).fetchall():
            graph.add(needing, needed)
        place = {name: at for at, name in enumerate(graph.static_order())}
        return sorted(tables, key=lambda table: place[table.name])

    @contextmanager
    def _transaction(self, *, snapshot: bool = False) -> Iterator[Connection]:
        try:
            with psycopg.connect(self._conninfo) as connection:
                if snapshot:
                    connection.execute(self._queries["snapshot"])
                yield connection
        except psycopg.OperationalError as error:
            raise Unavailable(f"database of the registry: {one_line(error)}") from error


def _copy_out(
    connection: Connection,
    schema: str,
    name: str,
    columns: tuple[str, ...],
    folder: Path,
) -> TableDump:
    folder.mkdir(parents=True, exist_ok=True)
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier(schema, name), _identifiers(columns)
    )
    with connection.cursor() as cursor, (folder / f"{name}.copy").open("wb") as file:
        with cursor.copy(statement) as copy:
            for piece in copy:
                file.write(piece)
        return TableDump(name, columns, cursor.rowcount)


def _copy_in(
    connection: Connection, target: sql.Identifier, table: TableDump, folder: Path
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(target, _identifiers(table.columns))
    with connection.cursor() as cursor:
        with (folder / f"{table.name}.copy").open("rb") as file, cursor.copy(statement) as copy:
            while piece := file.read(_SIZE):
                copy.write(piece)
        if cursor.rowcount != table.rows:
            raise Refused(
                f"{table.name}: {cursor.rowcount} rows came in, the snapshot says {table.rows}"
            )


def _merge(connection: Connection, table: TableDump, folder: Path) -> None:
    """Add the rows whose key is not there yet."""
    connection.execute("CREATE TEMPORARY TABLE merged (LIKE control.pipelines) ON COMMIT DROP")
    _copy_in(connection, sql.Identifier("merged"), table, folder)
    columns = _identifiers(table.columns)
    connection.execute(
        sql.SQL(
            "INSERT INTO control.pipelines ({}) SELECT {} FROM merged ON CONFLICT DO NOTHING"
        ).format(columns, columns)
    )


def _identifiers(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _refuse_unknown(tables: Sequence[TableDump], present: dict[str, tuple[str, ...]]) -> None:
    for table in tables:
        missing = sorted(set(table.columns) - set(present.get(table.name, ())))
        if missing:
            raise Refused(
                f"the database has no {table.name}.{missing[0]}",
                fix="start the MLflow version that made the snapshot, once",
            )
