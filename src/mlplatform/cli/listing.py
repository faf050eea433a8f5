"""What the commands of the quarantine and of dead letters show in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from mlplatform.cli.output import table
from mlplatform.contracts.frozen import FrozenAnswer

PAGE = 1_000


class Numbered(Protocol):
    """Something that is listed page by page, from its newest id down."""

    @property
    def id(self) -> int:
        """Grows with each new one."""


Listed = TypeVar("Listed", bound=Numbered)


def newest(page: Callable[[int, int | None], list[Listed]], limit: int) -> list[Listed]:
    """The newest ones, at most `limit`. `page` gives so many that are older than an id."""
    found: list[Listed] = []
    while len(found) < limit:
        some = min(PAGE, limit - len(found))
        older = page(some, found[-1].id if found else None)
        found += older
        if len(older) < some:
            break
    return found


def show_facts(found: FrozenAnswer) -> None:
    """Its fields as a table, without its payload."""
    facts = found.model_dump(mode="json", exclude={"payload"}, exclude_none=True)
    table(("FIELD", "VALUE"), list(facts.items()))
