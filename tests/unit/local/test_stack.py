"""What a stack notes for other terminals."""

from __future__ import annotations

import time
from pathlib import Path

from mlplatform.local import state
from mlplatform.local.processes.child import ProcessStatus
from mlplatform.local.stack import LocalStack, Options


def test_a_state_that_can_not_be_written_is_written_later(tmp_path: Path) -> None:
    """A disk that refuses state.json stops nothing; what it was to say is there a moment later."""
    stack = LocalStack(Options(home=tmp_path, source="."))
    stack.state = state.State(
        home=tmp_path,
        pid=1,
        born="now",
        ports={},
        urls={},
        queue="sqlite:////q",
        source=".",
        working_tree=False,
    )
    in_the_way = tmp_path / "state.json.new"  # what is written first
    (in_the_way / "full").mkdir(parents=True)
    stack._note(ProcessStatus("etl", "ready", 7, 1, None, "", tmp_path / "etl.log"))
    refused = state.read(tmp_path)
    (in_the_way / "full").rmdir()
    in_the_way.rmdir()
    deadline = time.monotonic() + 15
    while (found := state.read(tmp_path)) is None and time.monotonic() < deadline:
        time.sleep(0.05)

    assert refused is None
    assert found is not None
    assert 7 == found.processes["etl"].pid
