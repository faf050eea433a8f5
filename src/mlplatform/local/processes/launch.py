"""Becomes a child process: drops the user, asks the kernel to signal it when the parent dies, then executes the real program.

Run as a script by an isolated interpreter, with the standard library only, so that it costs about
20 ms. It exists since the same steps in `preexec_fn` would run Python between fork and exec of a
process with threads. The order matters: the kernel forgets the parent-death signal when the user
changes, so the user goes first; and the parent may have died before the signal was asked for.

    launch.py SIGNAL PARENT UID -- PROGRAM [ARGUMENT…]      UID -1: stay who you are
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns."""
    number, parent, uid = (int(word) for word in sys.argv[1:4])
    argv = sys.argv[5:]
    libc = (
        ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    )  # before the drop: the files may be closed to the user
    if uid >= 0:
        become(uid)
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    try:
        os.execvpe(argv[0], argv, os.environ)  # noqa: S606  (no shell is wanted)
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
