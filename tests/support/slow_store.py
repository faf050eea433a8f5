"""Requests that are stored slowly, for tests that break into an import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PAUSE_S = 0.05
"""A thousand rows are one request: an import of 400,000 takes 20 s, however fast the machine is."""


@contextmanager
def stored_slowly(databases: Any) -> Iterator[None]:
    """In the block every request takes that long to be stored."""
    with databases.connect("postgres", "raw") as connection:
        connection.execute(
            "CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN PERFORM pg_sleep({PAUSE_S}); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER pause BEFORE INSERT ON raw.requests"
            " FOR EACH ROW EXECUTE FUNCTION public.pause()"
        )
    yield
    with databases.connect("postgres", "raw") as connection:
        connection.execute("DROP FUNCTION public.pause() CASCADE")
