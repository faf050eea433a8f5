"""Several raw servers for a test: further databases beside its own, each under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from mlplatform.contracts.shards import FIRST, names, number
from mlplatform.dataapi.pools import Pools
from mlplatform.database import migrate, roles
from mlplatform.settings import PostgresSettings


@dataclass(frozen=True)
class RawServers:
    """The databases of each raw server; the warehouse is the same in all."""

    of: Mapping[str, Any]

    def settings(self, component: str) -> PostgresSettings:
        """What a component that works with all of them gets."""
        own = [each.settings(component) for each in self.of.values()]
        lists = {
            "raw_more_dsns": tuple(each.raw_dsn for each in own[1:]),
            "raw_more_replica_dsns": tuple(
                each.raw_replica_dsn for each in own[1:] if each.raw_replica_dsn
            ),
        }
        return own[0].model_copy(update=lists)

    @contextmanager
    def pools(self) -> Iterator[Pools]:
        """The data API's."""
        found = Pools.open(self.settings("dataapi"))
        try:
            yield found
        finally:
            found.close()

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a superuser finds in all of them, one after the other."""
        found: list[Any] = []
        for each in self.of.values():
            with each.connect("postgres", "raw") as connection:
                found += connection.execute(query, values).fetchall()
        return found


@contextmanager
def raw_servers(databases: Any, count: int) -> Iterator[RawServers]:
    """`databases` is the first; the others are made, and gone in the end."""
    cluster = databases.cluster
    with ExitStack() as made:
        of = {FIRST: databases}
        for shard in names(count)[1:]:
            name = f"{databases.raw}_{number(shard)}"
            made.callback(_drop, cluster.superuser, name)
            of[shard] = replace(databases, raw=name)
            with cluster.superuser() as connection:
                roles.create_database(connection, name, "raw", template="template0")
            with cluster.superuser(name) as connection:
                roles.install_login_trigger(connection)
            migrate.migrate("raw", of[shard].dsn("owner", "raw"), shard=shard)
        databases.catch_up()
        yield RawServers(of)


def _drop(superuser: Callable[[], Any], name: str) -> None:
    with superuser() as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(name)))
