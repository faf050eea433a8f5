"""The form of our .sql files."""

from __future__ import annotations

import pytest

from mlplatform.database import queries

GOOD = """\
-- name: one
-- Gives one.
SELECT 1;

-- name: two
-- Gives
-- two.
SELECT
    -- inside
    2;
"""


def test_statements_are_found_by_name() -> None:
    """A file gives its statements without their descriptions, comments inside included."""
    assert {
        "one": "SELECT 1;",
        "two": "SELECT\n    -- inside\n    2;",
    } == queries.parse(GOOD, where="x.sql")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD + "-- name: one\n-- Again.\nSELECT 3;", "there twice"),
        ("-- name: bare\nSELECT 1;", "description line"),
        ("-- name: empty\n-- Says much.\n", "description line"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused(text: str, reason: str) -> None:
    """Names are unique, and each has a description and a statement."""
    with pytest.raises(ValueError, match=reason):
        queries.parse(text, where="x.sql")


@pytest.mark.parametrize("name", sorted(path.stem for path in queries.FOLDER.glob("*.sql")))
def test_every_file_has_the_form(name: str) -> None:
    """All files of the package can be loaded, and the same object comes back."""
    found = queries.load(name)

    assert len(found) > 0
    assert queries.load(name) is found
