"""The file of the embedded queue.

WAL lets several processes share it; synchronous=FULL, that a committed record is on the disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from mlplatform.errors import IntegrityFailure, PlatformError, Refused, Unavailable

# One writer at a time; each holds the file for milliseconds, so a longer wait means that something
# is stuck.
_BUSY_S = 10.0


class QueueFile:
    """One connection to the file; one thread at a time.

    Makes file and tables when they are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.closed = False
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Requests lie in it: its owner's alone. SQLite gives its other files the same mode.
            # Never one that exists: closing it would drop the locks of our other connections.
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.executescript(
                files("mlplatform.queue").joinpath("embedded.sql").read_text()
            )
            self._identity = _file_identity(path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file.

        Raises Unavailable when it is busy or the disk fails, Refused when the file was removed or
        replaced since it was opened.
        """
        self._require_same()
        with self._translated():
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                self.connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block ends, undone when it raises.

        Raises what `reading` raises.
        """
        self._require_same()
        with self._translated():
            # IMMEDIATE takes the write lock now. A transaction that reads first and wants to write
            # later fails at once when another process wrote in between, whatever the timeout.
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.rollback()
                raise

    def version(self) -> int:
        """A number that changes when another connection has written; cheap, takes no lock."""
        with self._translated():
            return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self.closed = True
        self.connection.close()

    def _require_same(self) -> None:
        """A file that is no longer in the folder takes records that nobody will ever read."""
        with self._translated():
            now = _file_identity(self._path)
        if now != self._identity:
            raise Refused(
                f"the queue file {self._path} was removed or replaced under a running process",
                fix="start the process again",
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(
                f"the queue file {self._path} is not available: {error}",
                retry_after_s=1.0,
                fix=_in_the_way(self._path),
            ) from error
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, error) from error


def _in_the_way(path: Path) -> str:
    """What to do when a folder lies where SQLite has a file."""
    places = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    folders = [str(place) for place in places if place.is_dir()]
    return f"move away the folder {', '.join(folders)}" if folders else ""


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def damaged(path: Path, error: Exception) -> PlatformError:
    """The error for a file that is not a queue, or broken."""
    return IntegrityFailure(
        f"the queue file {path} is damaged: {error}",
        fix="keep it for inspection and start with a new one; the balance names what is missing",
    )
