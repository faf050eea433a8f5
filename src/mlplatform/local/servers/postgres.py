"""A real PostgreSQL primary with a real streaming standby, for one machine.

    programs = binaries.find(None, copies=…)
    postgres = LocalPostgres(folder, programs, passwords=…, primary_port=5433, standby_port=5434)
    postgres.prepare_primary()    # makes the data folder unless it is there
    # start postgres.primary_spec()
    postgres.provision()          # roles, databases, schema, login trigger
    postgres.prepare_standby()    # copies the primary unless a usable copy is there
    # start postgres.standby_spec()

The supervisor starts and stops the processes; nothing here does. All of it may run again on the
same folder.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from mlplatform import telemetry
from mlplatform.contracts.shards import FIRST
from mlplatform.database import migrate, roles
from mlplatform.database.sessions import Connection
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.servers import postgres_files as files
from mlplatform.local.servers.binaries import Programs
from mlplatform.settings import PostgresSettings

SUPERUSER = "postgres"
PRIMARY, STANDBY = "postgres-primary", "postgres-standby"
DATABASES: tuple[roles.Database, ...] = ("raw", "warehouse", "mlflow")
Component = Literal["owner", "consumer", "etl", "dataapi", "mlflow", "backup"]
_SENDS = """
SELECT count(*) = 1 FROM pg_stat_replication
 WHERE application_name = '{standby}' AND state = 'streaming'"""
_RECEIVES = """
SELECT count(*) = 1 FROM pg_stat_wal_receiver
 WHERE status = 'streaming' AND pg_is_in_recovery()"""
_COPY = ("-X", "stream", "-c", "fast")  # with the WAL of meanwhile, and without waiting to begin
_DROP_SLOT = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"""
_MAKE_SLOT = "SELECT pg_create_physical_replication_slot(%s, true)"
_log = telemetry.logger("local")


def new_passwords() -> dict[str, SecretStr]:
    """A fresh password for every role of the servers, by its full name.

    Made once, then kept by the caller.
    """
    names = (SUPERUSER, files.REPLICATION_ROLE, *(f"mlplatform_{role}" for role in roles.ROLES))
    return {name: SecretStr(secrets.token_urlsafe(24)) for name in names}


class LocalPostgres:
    """Data folders, roles and process descriptions of the two servers.

    All databases are on those of the first raw server, `shard`; further ones have theirs only. The
    data lies in `self.folder`, which is elsewhere when `folder` lies in a home that only root
    can enter (see `postgres_files.settle`). `durable=False` is for tests: no fsync.
    """

    def __init__(
        self,
        folder: Path,
        programs: Programs,
        *,
        passwords: Mapping[str, SecretStr],
        primary_port: int,
        standby_port: int,
        durable: bool = True,
        shard: str = FIRST,
    ) -> None:
        self.shard = shard
        own = "" if shard == FIRST else f"-{shard}"
        self.names = f"postgres{own}-primary", f"postgres{own}-standby"  # of the processes
        self.databases = DATABASES if shard == FIRST else DATABASES[:1]
        self.programs = programs
        self._asked = folder
        self.folder = files.settle(folder, programs.uid)
        self.primary = self.folder / "primary"
        self.standby = self.folder / "standby"
        self.primary_port = primary_port
        self.standby_port = standby_port
        self._passwords = passwords
        self._durable = durable

    def beside(self, shard: str, *, primary_port: int, standby_port: int) -> LocalPostgres:
        """A further raw server in a folder beside this one, with the same passwords."""
        folder = self._asked.with_name(f"{self._asked.name}-{shard}")
        made = partial(LocalPostgres, folder, self.programs, passwords=self._passwords, shard=shard)
        return made(primary_port=primary_port, standby_port=standby_port, durable=self._durable)

    @property
    def primary_refuses_reader(self) -> bool:
        """True when the primary itself refuses the reader role (PostgreSQL 17+).

        Otherwise only the read pool's own proof does.
        """
        return self.programs.major >= roles.TRIGGER_SINCE // 10_000

    def password(self, role: str) -> SecretStr:
        """Password of a role, by its full name on the server."""
        return self._passwords[role]

    def dsn(self, role: str, database: str, *, standby: bool = False) -> SecretStr:
        """Connection string of a role for a database, on the primary or the standby.

        The role is "etl" and the like, or the full name on the server.
        """
        full = role if role in self._passwords else f"mlplatform_{role}"
        port = self.standby_port if standby else self.primary_port
        password = self._passwords[full].get_secret_value()
        return SecretStr(f"postgresql://{full}:{password}@127.0.0.1:{port}/{database}")

    def settings(
        self, component: Component, *, raw: str = "raw", warehouse: str = "warehouse"
    ) -> PostgresSettings:
        """The settings of a component: the connections it needs, under its own role, and no other.

        "owner" is for migrations. `raw` and `warehouse` are names of databases; tests have clones
        of their own.
        """
        known: dict[str, SecretStr] = {}
        if component in ("consumer", "etl", "dataapi"):
            known["raw_dsn"] = self.dsn(component, raw)
        if component in ("etl", "dataapi", "backup"):
            known["warehouse_dsn"] = self.dsn(component, warehouse)
        if component == "dataapi":
            known["raw_replica_dsn"] = self.dsn("reader", raw, standby=True)
            known["warehouse_replica_dsn"] = self.dsn("reader", warehouse, standby=True)
        if component == "owner":
            known |= {
                "owner_raw_dsn": self.dsn("owner", raw),
                "owner_warehouse_dsn": self.dsn("owner", warehouse),
            }
        if component in ("mlflow", "backup"):
            known["mlflow_dsn"] = self.dsn(component, "mlflow")
        return PostgresSettings(**known)

    def prepare_primary(self) -> None:
        """Make the primary's data folder, or write its configuration anew when it is there."""
        if not (self.primary / files.COMPLETE).exists():
            shutil.rmtree(self.primary, ignore_errors=True)  # a try that was interrupted
            self._initialise()
        files.configure(
            self.primary,
            self.programs.uid,
            name=self.names[0],
            port=self.primary_port,
            durable=self._durable,
        )

    def provision(self) -> None:
        """Make roles with their passwords, the databases, their schemas, grants and login trigger.

        The primary must be running.
        """
        with self._superuser("postgres") as connection:
            self._provision_roles(connection)
            for database in self.databases:
                roles.create_database(connection, database, database)
        for database in self.databases:
            with self._superuser(database) as connection:
                roles.install_login_trigger(connection)
        migrate.migrate("raw", self.dsn("owner", "raw"), shard=self.shard)
        if self.shard != FIRST:
            return
        migrate.migrate("warehouse", self.dsn("owner", "warehouse"))
        with psycopg.connect(self.dsn("mlflow", "mlflow").get_secret_value()) as connection:
            roles.grant(connection, "mlflow")
        if not self.primary_refuses_reader:
            _log.warning(
                "PostgreSQL before 17 can't refuse readers on a primary;"
                " only the read pool's own proof does"
            )

    def prepare_standby(self) -> None:
        """Make the standby's data folder as a copy of the primary, unless a usable one is there.

        The primary must be running.
        """
        if why := self._unusable():
            if self.standby.exists():
                _log.warning("the standby is built anew", why=why)
            self.rebuild_standby()
        conninfo = make_conninfo(
            host="127.0.0.1",
            port=self.primary_port,
            user=files.REPLICATION_ROLE,
            password=self._passwords[files.REPLICATION_ROLE].get_secret_value(),
            application_name=self.names[1],
        )
        extra = f"primary_conninfo = {_quoted(conninfo)}\nprimary_slot_name = '{files.SLOT}'\n"
        files.configure(
            self.standby,
            self.programs.uid,
            name=self.names[1],
            port=self.standby_port,
            durable=self._durable,
            extra=extra,
        )

    def rebuild_standby(self) -> None:
        """Delete the standby's data and copy the primary's, which blocks for as long as that takes.

        The primary must be running, the standby must not.
        """
        shutil.rmtree(self.standby, ignore_errors=True)
        # The slot exists before the copy begins, so that the primary keeps all WAL from then on.
        with self._superuser("postgres") as connection:
            connection.execute(_DROP_SLOT, (files.SLOT,))
            connection.execute(_MAKE_SLOT, (files.SLOT,))
        files.make_data_folder(self.standby, self.programs.uid)
        address = make_conninfo(
            host="127.0.0.1", port=self.primary_port, user=files.REPLICATION_ROLE
        )
        words = ("-D", str(self.standby), "-d", address, "-S", files.SLOT, *_COPY)
        password = {"PGPASSWORD": self._passwords[files.REPLICATION_ROLE].get_secret_value()}
        self.programs.run("pg_basebackup", *words, *self._no_sync(), environment=password)
        # Last: a copy without this file is one that was interrupted, see `_unusable`.
        files.write(self.standby / "standby.signal", "", self.programs.uid)

    def primary_spec(self) -> ProcessSpec:
        """The primary as a child process; ready when it takes the superuser's writes."""
        ready = self._primary_ready, self.primary_port
        return self._spec(self.names[0], self.primary, *ready, needs=())

    def standby_spec(self) -> ProcessSpec:
        """The standby as a child process; ready when both sides say that it streams."""
        port, needs = self.standby_port, self.names[:1]
        return self._spec(self.names[1], self.standby, self._standby_ready, port, needs=needs)

    def remove(self) -> None:
        """Delete all data of both servers, which must be stopped."""
        files.remove(self._asked)

    def _spec(
        self, name: str, data: Path, ready: Any, port: int, *, needs: tuple[str, ...]
    ) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=(self.programs.path("postgres"), "-D", str(data)),
            environment=self.programs.environment,
            folder=data,
            needs=needs,
            ready=ready,
            uid=self.programs.uid,
            stop_signal=signal.SIGINT,  # PostgreSQL's "fast" shutdown: clients are disconnected
            health=partial(_responds, port),
            silent_s=300.0,  # whatever keeps it so busy, a recovery adds to it
        )

    def _initialise(self) -> None:
        uid = self.programs.uid
        files.make_data_folder(self.primary, uid)
        password_file = self.primary.with_name("initdb.password")
        files.write(password_file, self._passwords[SUPERUSER].get_secret_value(), uid)
        try:
            who = (f"--username={SUPERUSER}", f"--pwfile={password_file}", "--auth=scram-sha-256")
            # No locale: text is ordered by its bytes, on every machine, and the order of a snapshot
            # never changes with a C library.
            how = ("--encoding=UTF8", "--no-locale", "--data-checksums", *self._no_sync())
            self.programs.run("initdb", f"--pgdata={self.primary}", *who, *how)
        finally:
            password_file.unlink()
        files.write(self.primary / files.COMPLETE, "", uid)

    def _provision_roles(self, connection: Connection) -> None:
        roles.create_roles(connection)
        known = connection.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", (files.REPLICATION_ROLE,)
        )
        if known.fetchone() is None:
            connection.execute(f"CREATE ROLE {files.REPLICATION_ROLE} LOGIN REPLICATION")
        for role, password in self._passwords.items():
            if role != SUPERUSER:
                roles.set_password(connection, role, password)

    def _unusable(self) -> str:
        """Why the standby's data can't be used; empty when it can."""
        if not (self.standby / "standby.signal").exists():
            return "there is no complete copy"
        if self._control("system identifier", self.standby) != self._control(
            "system identifier", self.primary
        ):
            return "it is a copy of another primary"
        with self._superuser("postgres") as connection:
            slot = connection.execute(
                "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", (files.SLOT,)
            ).fetchone()
            if slot is None or slot[0] in ("lost", "unreserved"):
                return "the primary no longer keeps the WAL that it needs"
            end = self._control("Minimum recovery ending location", self.standby)
            ahead = connection.execute(
                "SELECT %s::pg_lsn > pg_current_wal_lsn()", (end,)
            ).fetchone()
            return "it is ahead of the primary" if ahead is None or ahead[0] else ""

    def _control(self, key: str, data: Path) -> str:
        found = re.search(
            rf"^.*{key}:\s*(\S+)",
            self.programs.run("pg_controldata", "-D", str(data)),
            re.MULTILINE,
        )
        return found[1] if found else ""

    def _primary_ready(self) -> bool:
        return self._holds(self.dsn(SUPERUSER, "postgres"), "SELECT NOT pg_is_in_recovery()")

    def _standby_ready(self) -> bool:
        """A standby can start, answer and never receive anything, so both ends must stream."""
        standby = self.dsn(SUPERUSER, "postgres", standby=True)
        primary = self.dsn(SUPERUSER, "postgres")
        sends = _SENDS.format(standby=self.names[1])
        return self._holds(standby, _RECEIVES) and self._holds(primary, sends)

    def _holds(self, dsn: SecretStr, condition: str) -> bool:
        """Whether a query gives true; False while the server is not up yet."""
        try:
            with psycopg.connect(dsn.get_secret_value(), connect_timeout=2) as connection:
                row = connection.execute(condition.encode()).fetchone()
        except psycopg.OperationalError:
            return False  # the supervisor tries until its deadline, and shows the server's log then
        return bool(row and row[0])

    def _superuser(self, database: str) -> Connection:
        return psycopg.connect(
            self.dsn(SUPERUSER, database).get_secret_value(), autocommit=True, connect_timeout=10
        )

    def _no_sync(self) -> list[str]:
        return [] if self._durable else ["--no-sync"]


def _responds(port: int) -> bool:
    """Whether a server says anything at all, e.g. that it has too many clients, or recovers."""
    answer = psycopg.pq.PGconn.ping(f"host=127.0.0.1 port={port} connect_timeout=5".encode())
    return answer in (psycopg.pq.Ping.OK, psycopg.pq.Ping.REJECT)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
