from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlplatform.local.processes import memory

CODE = """
import subprocess, sys
code = "x = b'x' * (64 * 1024 * 1024); print('up', flush=True); input()"
child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=0)
child.wait()
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="shares of shared pages are known on Linux only"
)
def test_children_count() -> None:
    """The memory of a process includes that of its children."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        whole, alone = memory.by_root([parent.pid])[parent.pid], memory.own(parent.pid)
        parent.communicate(b"\n")

    assert whole - alone > 60 * 1024 * 1024
    assert alone > 1024 * 1024


def test_gone_process_has_none() -> None:
    """A process that has ended in the meantime counts nothing instead of failing."""
    assert {2**22 + 1: 0} == memory.by_root([2**22 + 1])
    assert memory.own(os.getpid()) > 1024 * 1024
