"""What a start does with memory."""

from __future__ import annotations

import subprocess
import sys

START = """
import gc
from mlplatform import memory
memory.begin_start()
assert not gc.isenabled()
made = [[] for _ in range(1000)]
memory.end_start()
assert gc.isenabled()
assert gc.get_freeze_count() > 1000
"""
LOAD = """
import ctypes
from mlplatform import memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20
before = held()
places = [libc.malloc(16_000) for _ in range(4000)]
for place in places:
    ctypes.memset(place, 1, 16_000)
for place in places[:-1]:  # the last one keeps the C library from shrinking its heap by itself
    libc.free(place)
kept = held() - before
memory.give_back()
print(kept > 50, held() - before < 10)
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_garbage_is_collected_after_a_start_only() -> None:
    """And what the start has made is not looked through again."""
    assert "" == _run(START)


def test_what_a_load_leaves_over_goes_back_to_the_system() -> None:
    """Sixty megabytes that the C library would keep for later (glibc)."""
    assert "True True" == _run(LOAD)
