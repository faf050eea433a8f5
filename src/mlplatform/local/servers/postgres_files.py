"""Folders and configuration files of the local PostgreSQL servers."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from mlplatform.errors import Refused
from mlplatform.local.servers import binaries

SLOT = "mlplatform_standby"
COMPLETE = "mlplatform.complete"  # written last: a folder without it is a try that was interrupted
REPLICATION_ROLE = "mlplatform_replication"
OUTSIDE = Path("/var/tmp")  # noqa: S108  (a folder of our own below it, which nobody else can open)

_HBA = f"""# Written by mlplatform. Passwords only, from this machine only, by TCP only.
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
host replication {REPLICATION_ROLE} 127.0.0.1/32 scram-sha-256
"""

_CONFIGURATION = """# Written by mlplatform at every start.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
cluster_name = '{name}'
password_encryption = 'scram-sha-256'
shared_buffers = '64MB'
max_connections = 100
wal_level = replica
hot_standby = on
# The primary keeps the rows that the standby's readers still need: its vacuum would otherwise
# cancel long dataset reads.
hot_standby_feedback = on
# Without feedback (the standby was away) a conflict delays replay by up to this; then the read is
# cancelled.
max_standby_streaming_delay = '60s'
# The slot keeps up to this much WAL for a standby that is away; one that missed more is built anew.
max_slot_wal_keep_size = '1GB'
wal_keep_size = '64MB'
max_wal_size = '512MB'
log_min_messages = warning
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
"""

_FAST = """# Servers of tests: a crash of the machine may lose their data.
fsync = off
full_page_writes = off
"""


def settle(folder: Path, uid: int | None) -> Path:
    """Make the folder of the servers, or find it again.

    The servers' user must reach its data. Below a folder that is closed to that user (root's home)
    it can't, so the data goes below /var/tmp, and `folder` becomes a link to it. Raises Refused
    when that place belongs to another user.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        place = folder.readlink()
        if place.is_dir():
            return place
        folder.unlink()
    folder.mkdir(exist_ok=True)
    if binaries.reachable(folder, uid):
        return folder
    folder.rmdir()
    place = _outside(folder)
    folder.symlink_to(place)
    return place


def _outside(folder: Path) -> Path:
    """A folder of ours below /var/tmp, the same one for the same `folder`."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    place = OUTSIDE / f"mlplatform-{name}"
    place.mkdir(mode=0o711, exist_ok=True)
    # Everybody can write to /var/tmp: what another user has prepared there must not get our data.
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise Refused(
            f"{place} belongs to another user",
            field="home",
            fix="remove it, or choose another --home",
        )
    return place


def remove(folder: Path) -> None:
    """Delete the folder of the servers and all their data; they must be stopped.

    Nothing happens when there is none.
    """
    if folder.is_symlink():
        shutil.rmtree(folder.readlink(), ignore_errors=True)
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def own(path: Path, uid: int | None) -> None:
    """Give a path to the servers' user."""
    if uid is not None:
        os.chown(path, uid, uid)


def make_data_folder(path: Path, uid: int | None) -> None:
    """An empty folder that only the servers' user can open."""
    path.mkdir(mode=0o700)
    own(path, uid)


def configure(
    data: Path, uid: int | None, *, name: str, port: int, durable: bool, extra: str = ""
) -> None:
    """Write the files that make a data folder a server of ours.

    They hold a password, so only the servers' user may read them.
    """
    text = _CONFIGURATION.format(port=port, name=name) + ("" if durable else _FAST) + extra
    write(data / "mlplatform.conf", text, uid)
    write(data / "pg_hba.conf", _HBA, uid)
    main = data / "postgresql.conf"
    if "mlplatform.conf" not in main.read_text():
        write(main, main.read_text() + "\ninclude 'mlplatform.conf'\n", uid)


def write(path: Path, text: str, uid: int | None) -> None:
    """Replace a file of the servers' user in one step; mode 0600."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    own(fresh, uid)
    fresh.replace(path)
