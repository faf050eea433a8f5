"""state.json: the addresses and processes of a local stack, for commands in other terminals."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mlplatform.errors import Refused, Unavailable
from mlplatform.local import home_files
from mlplatform.local.processes import guard
from mlplatform.local.secrets import write_private

FOLDER = ".mlplatform"
FILE = "state.json"
LOCK = "lock"


class Process(BaseModel):
    """One line of `mlplatform status`."""

    model_config = ConfigDict(frozen=True)

    state: str
    pid: int | None
    restarts: int
    exit_code: int | None
    reason: str
    log: Path


class State(BaseModel):
    """A local stack."""

    model_config = ConfigDict(frozen=True)

    home: Path
    pid: int = Field(description="Of the program that supervises; it may be gone, see `running`.")
    born: str = Field(description="When that program began; a later one may have the same pid.")
    ports: dict[str, int]
    urls: dict[str, str]
    queue: str
    queue_word: str = Field(
        "", description="The word of `--queue`. It stays: the databases hold positions in it."
    )
    raw_shards: int = Field(1, description="How many raw servers it has.")
    source: str = Field(description="The git repository that pipelines come from.")
    working_tree: bool
    ready: bool = False
    warning: str = Field("", description="What is less safe on this machine than it could be.")
    processes: dict[str, Process] = {}

    @property
    def running(self) -> bool:
        """True when the program that supervises this stack is alive."""
        return guard.born(self.pid) == self.born != ""

    def require_running(self, *, field: str) -> None:
        """Raise Unavailable unless it runs; `field` is what named the home."""
        if not self.running:
            raise Unavailable(
                f"the stack in {self.home} is not running",
                field=field,
                fix="start it with `mlplatform up`",
            )

    def write(self) -> None:
        """Replace state.json in one step."""
        write_private(self.home / FILE, self.model_dump_json(indent=2) + "\n")


SHAPE = TypeAdapter(State)


def read(home: Path) -> State | None:
    """The state of the stack in that folder; None when there never was one.

    Raises SettingsError when the file is damaged.
    """
    return home_files.read(
        home / FILE, SHAPE, fix="stop the stack's program if it runs, and remove this"
    )


def find(home: Path | None, start: Path) -> State | None:
    """The stack in `home`, or the nearest one in `start` and the folders above it, if any."""
    if home is not None:
        return read(home.resolve())
    for folder in (start, *start.parents):
        if (found := read(folder / FOLDER)) is not None:
            return found
    return None


def existing(home: Path | None, start: Path, *, field: str, fix: str) -> State:
    """The same. Raises Refused when there is none; `field` is what could have named the home."""
    found = find(home, start)
    if found is None:
        raise Refused("there is no local stack here", field=field, fix=fix)
    return found


def is_home(folder: Path) -> bool:
    """Whether a stack ever ran in that folder: the lock is the first that it leaves there."""
    return (folder / FILE).is_file() or (folder / LOCK).is_file()


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the folder for one stack at a time.

    Raises Refused when another program has it. The lock ends with the program.
    """
    home.mkdir(parents=True, exist_ok=True)
    try:
        file = (home / LOCK).open("w")
    except OSError as error:
        fault = error.strerror or str(error)
        raise home_files.damaged(home / LOCK, fault, fix="remove it") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                f"a stack is running in {home} already",
                field="--home",
                fix="`mlplatform status` shows it, `mlplatform down` stops it",
            ) from error
        yield


def myself() -> Mapping[str, int | str]:
    """Birth and pid of this program."""
    return {"pid": os.getpid(), "born": guard.born(os.getpid())}
