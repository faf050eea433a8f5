"""The local servers: found, started, kept, moved and removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from ports import free_port

from mlplatform.database.pools import ReplicaPool
from mlplatform.errors import SettingsError, StandbyUnproven
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers import binaries
from mlplatform.local.servers.postgres import LocalPostgres, new_passwords

PASSWORDS = new_passwords()
OLD = sorted(
    path for path in Path("/usr/lib/postgresql").glob("1[56]/bin") if (path / "initdb").exists()
)
as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has to run its servers as another user"
)


def _servers(folder: Path, *, programs: Path | None = None) -> LocalPostgres:
    found = binaries.find(programs, copies=folder.parent / "programs")
    return LocalPostgres(
        folder / "postgres",
        found,
        passwords=PASSWORDS,
        primary_port=free_port(),
        standby_port=free_port(),
        durable=False,
    )


@contextmanager
def _running(folder: Path, *, programs: Path | None = None) -> Iterator[LocalPostgres]:
    servers = _servers(folder, programs=programs)
    with Supervisor(
        [servers.primary_spec(), servers.standby_spec()], logs=folder / "logs"
    ) as supervisor:
        servers.prepare_primary()
        supervisor.start("postgres-primary")
        servers.provision()
        servers.prepare_standby()
        supervisor.start("postgres-standby")
        yield servers


@pytest.fixture
def folder(open_folder: Path) -> Iterator[Callable[[str], Path]]:
    """Makes folders that the servers' user can enter."""
    made: list[Path] = []

    def make(name: str) -> Path:
        made.append(open_folder / name)
        made[-1].mkdir(mode=0o755)
        return made[-1]

    yield make
    for path in made:
        shutil.rmtree(path)


def _ask(
    servers: LocalPostgres, statement: str, *, standby: bool = False
) -> tuple[object, ...] | None:
    dsn = servers.dsn("reader" if standby else "owner", "warehouse", standby=standby)
    with psycopg.connect(dsn.get_secret_value(), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def test_a_second_start_keeps_the_data_and_the_standby_on_other_ports(folder) -> None:
    """Everything may run again on the same folder: data and standby are kept, ports may change."""
    place = folder("again")
    with _running(place) as servers:
        _ask(servers, "CREATE TABLE control.kept AS SELECT 42 AS answer")
        born = (servers.standby / "PG_VERSION").stat().st_ino
    with _running(place) as servers:
        answer = _ask(servers, "SELECT answer FROM control.kept", standby=True)
        still = (servers.standby / "PG_VERSION").stat().st_ino

    assert (42,) == answer
    assert born == still


def test_an_interrupted_first_start_is_begun_anew(folder) -> None:
    """Half a data folder, left by a killed initdb, is replaced."""
    place = folder("half")
    (place / "postgres" / "primary").mkdir(parents=True)
    (place / "postgres" / "primary" / "PG_VERSION").write_text("18")
    with _running(place) as servers:
        answer = _ask(servers, "SELECT 1", standby=True)

    assert (1,) == answer


@as_root
def test_servers_under_a_closed_folder_move_out_of_it_and_are_removed_with_it(folder) -> None:
    """Below root's home the data goes elsewhere, closed to others; remove() deletes it there."""
    place = folder("closed")
    place.chmod(0o700)
    with _running(place) as servers:
        outside = servers.folder
        modes = [path.stat().st_mode & 0o777 for path in (servers.primary, servers.standby)]
        answer = _ask(servers, "SELECT 1", standby=True)
    again = _servers(place)
    again.remove()

    assert ((1,), [0o700, 0o700]) == (answer, modes)
    assert (
        place in outside.parents,
        again.folder,
        outside.exists(),
        (place / "postgres").is_symlink(),
    ) == (False, outside, False, False)


@as_root
def test_programs_that_the_servers_user_can_not_reach_are_copied(folder) -> None:
    """A wheel under a closed folder is copied once, with its libraries, and runs."""
    wheel = next(iter(binaries.candidates()))
    closed, copies = folder("wheel"), folder("copies")
    closed.chmod(0o700)
    for name in (wheel.parents[1].name, f"{wheel.parents[1].name}.libs"):
        if (wheel.parents[2] / name).exists():
            shutil.copytree(wheel.parents[2] / name, closed / name, symlinks=True)
    found = binaries.find(closed / wheel.relative_to(wheel.parents[2]), copies=copies)
    again = binaries.find(closed / wheel.relative_to(wheel.parents[2]), copies=copies)

    assert copies in found.folder.parents
    assert found == again
    assert "pg_basebackup (PostgreSQL)" in found.run("pg_basebackup", "--version")


def test_a_folder_without_programs_is_named(tmp_path: Path) -> None:
    """An explicit folder is used or refused, never silently replaced by another."""
    with pytest.raises(SettingsError, match="has no initdb") as refused:
        binaries.find(tmp_path, copies=tmp_path / "copies")

    assert "extra 'local'" in refused.value.fix


@pytest.mark.skipif(
    not OLD, reason="needs PostgreSQL 15 or 16 in /usr/lib/postgresql, which have no login triggers"
)
def test_before_17_the_read_pool_alone_refuses_a_primary(folder) -> None:
    """An older primary can't refuse readers; the pool's own proof refuses every read there."""
    with _running(folder("old"), programs=OLD[-1]) as servers:
        settings = servers.settings("dataapi")
        wrong = ReplicaPool(servers.dsn("reader", "warehouse"), settings, name="warehouse")
        with pytest.raises(StandbyUnproven, match="is a primary"), wrong.read():
            pass
        with ReplicaPool(settings.warehouse_replica_dsn, settings, name="warehouse").read() as read:
            answer = read.connection.execute("SELECT 1").fetchone()

    assert (False, (1,)) == (servers.primary_refuses_reader, answer)
