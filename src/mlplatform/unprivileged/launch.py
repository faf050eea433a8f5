"""Becomes a child process that ends with its parent, under another user where that is needed.

It drops the user, has the kernel send a signal when the parent dies, then executes the real
program. It runs as a script in an isolated interpreter and uses the standard library only, so that
it costs about 20 ms. The same steps in `preexec_fn` would run Python between fork and exec of a
process with threads, which can deadlock. The order matters: the kernel forgets the parent-death
signal when the user changes, so the user changes first; and the parent may have died before the
signal was set, so that is checked last.

    launch.py SIGNAL PARENT UID -- PROGRAM [ARGUMENT…]      UID -1: keep the user
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def through(argv: Sequence[str], *, stop_signal: int, uid: int | None = None) -> tuple[str, ...]:
    """The command line that starts `argv` as a child of this process, by way of this file.

    Where the kernel can (Linux), the child gets `stop_signal` when the thread that starts it ends.
    """
    numbers = (stop_signal, os.getpid(), -1 if uid is None else uid)
    return (sys.executable, "-I", "-S", __file__, *map(str, numbers), "--", *argv)


def main() -> None:
    """Never returns."""
    number, parent, uid = (int(word) for word in sys.argv[1:4])
    argv = sys.argv[5:]
    # Loaded before the user changes: the new one may not be able to read our files.
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if uid >= 0:
        become(uid)
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is involved)
    except OSError as error:
        sys.exit(f"can't execute {argv[0]}: {error.strerror}")


def become(uid: int) -> None:
    """Drop to `uid`, its own group and no other."""
    try:
        gid = pwd.getpwuid(uid).pw_gid
    except KeyError:  # a number without a name is a user as well
        gid = uid
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


if __name__ == "__main__":
    main()
