"""Ends a run that its time limit could not interrupt.

Python handles no signal while a call into C does not come back, and an `except:` swallows what the
handler raises. A small process beside the run waits for its end; when that is overdue it stops the
run, writes the reason into the log, into MLflow and into its record, and kills it. The lease, which
nobody renews then, runs out within a minute.

As a script, with nothing but the standard library, it is that process:

    last_resort.py SECONDS PID PIPELINE RUN REASON
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import subprocess
import sys

RECORD_S = 60.0
_running: list[subprocess.Popen[bytes]] = []


def begin(seconds: float, pipeline: str, run: str, reason: str) -> None:
    """End this process with `reason` when `cancel` isn't called within `seconds`."""
    words = (str(seconds), str(os.getpid()), pipeline, run, reason)
    argv = (sys.executable, "-I", "-S", __file__, *words)
    _running.append(
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
    )
    # In a container the run has pid 1, which no other process there can kill.
    faulthandler.dump_traceback_later(seconds + 2 * RECORD_S, exit=True)


def cancel() -> None:
    """The run has ended."""
    if _running:
        faulthandler.cancel_dump_traceback_later()
    while _running:
        process = _running.pop()
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def main() -> None:
    """Wait beside the run, which holds the other end of standard input."""
    seconds, pid, *words = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the run, which then closes our input
    if select.select([sys.stdin], [], [], float(seconds))[0]:
        return
    os.kill(int(pid), signal.SIGSTOP)  # it must not go on while its end is recorded
    try:
        argv = (sys.executable, "-m", "mlplatform.trainer.record_end", *words)
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=RECORD_S, check=False)
    finally:
        os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    main()
