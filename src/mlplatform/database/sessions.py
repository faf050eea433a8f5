"""A bounded set of database sessions, kept between uses.

Not psycopg_pool: that connects in the background and pauses longer after each failure, so that
callers wait out their time limit without learning the reason while a server is away, and go on
waiting after it is back. Here the caller's own thread connects: a refused connection is known at
once, with its cause, and the first call after an outage works.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg

from mlplatform.errors import Overloaded

Connection = psycopg.Connection[Any]


class Sessions:
    """At most `most` sessions at a time; idle ones are kept if `keep`.

    They are tried before they are used again. Safe to share between threads.
    """

    def __init__(
        self, connect: Callable[[], Connection], *, most: int, wait_s: float, keep: bool, name: str
    ) -> None:
        self._connect = connect
        self._slots = threading.BoundedSemaphore(most)
        self._wait_s = wait_s
        self._keep = keep
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def session(self) -> Generator[Connection]:
        """A session outside any transaction.

        Raises Overloaded when none gets free in time, psycopg's error when none can be made.
        """
        if not self._slots.acquire(timeout=self._wait_s):
            raise Overloaded(
                f"database {self._name}: all sessions are busy", retry_after_s=self._wait_s
            )
        try:
            connection = self._take() or self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close idle sessions now, busy ones when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection | None:
        """An idle session that answers; those that a restarted server left behind are closed."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            try:
                connection.execute("")
                connection.rollback()
            except psycopg.OperationalError:
                connection.close()
            else:
                return connection

    def _give_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._lock:
            keep = self._keep and idle and not self._closed
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()


def one_line(error: Exception) -> str:
    """An error's text on one line, for messages."""
    return " ".join(str(error).split())
