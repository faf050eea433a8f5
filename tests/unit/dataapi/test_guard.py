"""Routes declare who may use them; one that doesn't can't be made."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from mlplatform.access import Role
from mlplatform.dataapi import rights
from mlplatform.dataapi.admission import OPEN
from mlplatform.dataapi.app import inside
from mlplatform.dataapi.rights import Right
from mlplatform.dataapi.routes.guard import GuardedRoute, needs
from mlplatform.web import docs_page

RIGHTS = {value for value in vars(rights).values() if isinstance(value, Right)}


def unguarded(app: FastAPI) -> set[str]:
    """Paths that declare no right."""
    return {
        str(each.path)
        for each in iter_route_contexts(app.routes)
        if not isinstance(each.original_route, GuardedRoute)
    }


def test_every_route_but_the_open_pages_declares_a_right() -> None:
    """A route without one would be open to every token, and leave no entry in the ledger."""
    app = inside(cast("Any", None))

    assert OPEN <= unguarded(app)
    assert set() == {
        path for path in unguarded(app) - OPEN if not docs_page.shows(path.rstrip("/"))
    }


def test_a_new_route_beside_the_guard_is_found() -> None:
    """What is added to the application in another way is no open page."""
    app = inside(cast("Any", None))
    other = APIRouter()
    other.add_api_route("/other", lambda: None)
    app.include_router(other)

    assert {"/other"} == unguarded(app) - unguarded(inside(cast("Any", None)))


def test_a_route_without_a_right_can_not_be_made() -> None:
    """It says what is missing when the module is imported."""
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="/new declares no right"):
        router.add_api_route("/new", lambda: None)
    with pytest.raises(TypeError, match="/new declares no right"):
        router.add_api_route("/new", needs(subject="new")(lambda: None))


def test_every_right_is_that_of_a_route() -> None:
    """None is left over, and each has words of its own."""
    needed = {
        right
        for each in iter_route_contexts(inside(cast("Any", None)).routes)
        if isinstance(each.original_route, GuardedRoute)
        for right in each.original_route.needed.rights
    }

    assert needed == RIGHTS
    assert len(RIGHTS) == len({right.meaning for right in RIGHTS})


def test_admin_stands_in_no_right() -> None:
    """It may do everything: naming it somewhere would say that it may not elsewhere."""
    assert [] == [right for right in RIGHTS if Role.ADMIN in right.roles]
