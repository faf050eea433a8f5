"""Which folders are closed to another user, and what such a user finds in them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlplatform.unprivileged import command, expose, users

root = pytest.mark.skipif(
    os.geteuid() != 0 or bool(command.hindrance()),
    reason=f"needs root that may start processes as other users: {command.hindrance()}",
)


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that only its owner can enter, in one that everybody can."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _as_another(script: str, *paths: Path) -> str:
    uid = users.fresh()
    argv = command.through(
        (sys.executable, "-c", script, *map(str, paths)), stop_signal=15, uid=uid, paths=paths
    )
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={}, cwd="/")
    return done.stdout.strip()


def test_the_first_closed_folder_is_found(tmp_path: Path) -> None:
    """A folder counts as closed for those who have no right to enter it; its owner has one."""
    inner = tmp_path / "open" / "closed" / "inner"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(folder.stat().st_mode) == 0o700:
            folder.chmod(0o711)
    inner.parent.chmod(0o700)

    assert inner.parent == expose.closed_above(inner, os.geteuid() + 1)
    assert expose.closed_above(inner, os.geteuid()) is None


@root
def test_only_the_given_paths_are_there(closed: Path) -> None:
    """What was named can be read, but not changed; what lies beside it is not even there."""
    for name in ("named", "other"):
        (closed / name).mkdir()
        (closed / name / "file").write_text(name)
    (closed / "named").chmod(0o777)
    script = """
import os, sys
print(sorted(os.listdir(sys.argv[1])), os.path.exists(os.path.dirname(sys.argv[1]) + "/other"))
try:
    open(sys.argv[1] + "/new", "w")
except OSError as error:
    print(error.strerror)
"""

    assert ["['file'] False", "Read-only file system"] == _as_another(
        script, closed / "named"
    ).splitlines()
    assert ["named", "other"] == sorted(each.name for each in closed.iterdir())


@root
def test_a_file_and_a_link_are_put_back(closed: Path) -> None:
    """A single file can be named, and a path that leads through a link keeps leading there."""
    (closed / "real").mkdir()
    (closed / "real" / "file").write_text("found")
    (closed / "link").symlink_to(closed / "real")
    (closed / "alone").write_text("alone")
    script = "import sys; print(open(sys.argv[1] + '/file').read(), open(sys.argv[2]).read())"

    assert "found alone" == _as_another(script, closed / "link", closed / "alone")


@root
def test_its_own_folder_stays_its_own(closed: Path) -> None:
    """A folder of that user can be written, also where the one above it is closed."""
    uid = users.server(users.MLFLOW)
    assert uid is not None
    (closed / "own").mkdir()
    os.chown(closed / "own", uid, uid)
    argv = command.through(
        ("/bin/touch", str(closed / "own" / "file")),
        stop_signal=15,
        uid=uid,
        paths=[closed / "own"],
    )
    subprocess.run(argv, check=True, env={}, cwd="/")

    assert uid == (closed / "own" / "file").stat().st_uid


@root
def test_what_no_other_user_may_read_is_a_hindrance(closed: Path) -> None:
    """Files with a mode for root alone can't be lent; the reason names them."""
    (closed / "private").mkdir(mode=0o700)

    assert f"no right to read {closed / 'private'}" == command.hindrance(closed / "private")


@root
def test_no_two_users_are_the_same() -> None:
    """Each run gets a number that nobody else has."""
    found = {users.fresh() for _ in range(50)}

    assert 50 == len(found)
    assert not found & {users.POSTGRES, users.MLFLOW, os.geteuid()}
