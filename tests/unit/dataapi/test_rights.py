"""What documents say of rights is what the data API decides by."""

from __future__ import annotations

from pathlib import Path

from mlplatform.access import Role
from mlplatform.dataapi import rights
from mlplatform.dataapi.rights import Right

PAGE = Path(__file__).parents[3] / "docs/how-to/access.md"


def _table(head: str) -> dict[str, str]:
    """The first two cells of each row of a table of the page, by its head."""
    _, _, rest = PAGE.read_text().partition(f"{head}\n|---|---|\n")
    rows = rest.partition("\n\n")[0].splitlines()
    return {cells[1].strip(): cells[2].strip() for cells in (row.split("|") for row in rows if row)}


def test_the_page_tells_the_roles_of_every_act() -> None:
    """Each act of the code has its line, with the roles that the code lets in."""
    acts = [value for value in vars(rights).values() if isinstance(value, Right)]

    assert {
        act.meaning: ", ".join(f"`{role}`" for role in act.roles) or "only `admin`" for act in acts
    } == _table("| act at the data API | roles besides `admin` |")


def test_the_page_tells_every_role() -> None:
    """None is left out, and none is there that the code does not know."""
    assert [f"`{role}`" for role in Role] == list(_table("| role | may |"))
