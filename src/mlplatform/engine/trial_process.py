"""The process of a trial. It can be started before there is anything to try.

Its imports take as long as those of a server that starts, and the two can go on side by side.
Nothing of ours but the standard library is imported here, so that nothing comes before it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TypeAlias

from mlplatform.features.hidden import ENVIRONMENT, hide

TrialProcess: TypeAlias = "subprocess.Popen[bytes]"
_ARGV = (sys.executable, "-P", "-m", "mlplatform.engine.trial_child")
"""A fresh interpreter and no fork: a forked copy of a process with threads may hang on a lock that
another thread held, and it would hold our environment and memory, with all credentials."""


def start() -> TrialProcess:
    """A child that waits for its one request. Without one it ends when this process does."""
    hide()
    # A session of its own: an interrupt from the keyboard is for the parent.
    return subprocess.Popen(
        _ARGV,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,  # features.py runs there: it must find no credentials
        start_new_session=True,
    )
