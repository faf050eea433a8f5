"""Makes some paths reachable for another user, then executes a program.

An interpreter in root's home can't be executed by anybody else, since that folder is closed. In a
mount namespace of this process and its children alone, such a folder is covered by an empty one
that anybody can enter, and the given paths, and nothing else, are put back in their places:
read-only, unless they belong to that user. What is inside keeps its own permissions. Nothing is
covered where all paths can be reached already. Like `launch`, it runs as a script in an isolated
interpreter, as root. Linux only.

    expose.py UID [PATH…] -- PROGRAM [ARGUMENT…]
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def closed_above(path: Path, uid: int) -> Path | None:
    """The first folder above `path` (absolute) that this user can't enter, if any."""
    for folder in reversed(path.parents):
        found = folder.stat()
        if not found.st_mode & (stat.S_IXUSR if found.st_uid == uid else stat.S_IXOTH):
            return folder
    return None


def main() -> None:
    """Never returns."""
    words = sys.argv[1:]
    split = words.index("--")
    uid, program = int(words[0]), words[split + 1 :]
    # Outer ones first: what lies below one of them comes with it.
    paths = sorted({Path(word).absolute() for word in words[1:split] if Path(word).exists()})
    try:
        closed = {path: folder for path in paths if (folder := closed_above(path, uid))}
        if closed:
            put_back(closed, uid)
        os.execv(program[0], program)  # noqa: S606  (no shell is involved)
    except OSError as error:
        sys.exit(f"can't open what uid {uid} needs: {error}")


def put_back(closed: Mapping[Path, Path], uid: int) -> None:
    """Cover the closed folders (the values) and bind the paths (the keys) inside of them again."""
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.unshare(CLONE_NEWNS), "unshare")
    # Otherwise the whole machine would see what is mounted below.
    _mount(libc, "none", "/", flags=MS_REC | MS_PRIVATE)
    # Held open, because they can't be reached any more once they are covered.
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in _outermost(closed)}
    for folder in set(closed.values()):
        _mount(libc, "tmpfs", str(folder), "tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=0711")
    os.umask(0o022)
    for path, file in held.items():
        _place(path, file)
        _mount(libc, f"/proc/self/fd/{file}", str(path), flags=MS_BIND | MS_REC)
        if os.fstat(file).st_uid != uid:
            _mount(libc, "none", str(path), flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def _outermost(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not any(outer in path.parents for outer in found):
            found.append(path)
    return found


def _place(path: Path, file: int) -> None:
    """Something empty of the right kind to mount on."""
    if stat.S_ISDIR(os.fstat(file).st_mode):
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _mount(
    libc: ctypes.CDLL, what: str, where: str, kind: str = "", *, flags: int, data: str = ""
) -> None:
    words = [word.encode() if word else None for word in (what, where, kind)]
    _done(libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), f"mount {where}")


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main()
