"""`mlplatform status`: what it finds in the home by itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from mlplatform.cli import status
from mlplatform.outbox import damage
from mlplatform.outbox.record import Damage


def test_damaged_records_are_told_until_their_list_is_removed(tmp_path: Path) -> None:
    """They are counted, with the file that names them; without it all is well again."""
    state = cast("Any", SimpleNamespace(home=tmp_path))
    folder = tmp_path / "outbox"
    folder.mkdir()
    before = status._damaged(state)
    damage.name(folder, Damage(3, 3, 1, 60, 90))
    damage.name(folder, Damage(7, 9, 1, 200, 260))
    found = status._damaged(state)
    (folder / "damaged.json").unlink()

    assert {} == before
    assert ["outbox"] == list(found)
    assert found["outbox"].startswith(f"4 record(s) could not be read, see {folder}/damaged.json")
    assert {} == status._damaged(state)
