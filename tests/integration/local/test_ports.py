from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from mlplatform.errors import Unavailable
from mlplatform.local import ports


def test_taken_ports_are_replaced() -> None:
    """A usual port that is in use is replaced by a free one; a free one is kept."""
    with socket.create_server((ports.HOST, 0)) as server:
        taken = server.getsockname()[1]
        free = ports.choose({"a": 0})["a"]
        chosen = ports.choose({"a": taken, "b": free})

        assert chosen["a"] not in {taken, free}
        assert chosen["b"] == free
        assert not ports.free(taken)
        assert ports.free(free)


def test_two_stacks_never_share_a_port() -> None:
    """A port that one stack has claimed is given to no other, though its server is not up yet."""
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        mine = ports.choose({"a": 0}, claims=first)["a"]
        theirs = ports.choose({"a": mine}, claims=second)["a"]

        assert mine != theirs
        first.close()
        assert ports.choose({"a": mine}, claims=second)["a"] == mine


def test_no_port_is_given_twice() -> None:
    """Names that want the same port get different ones."""
    chosen = ports.choose({str(number): 0 for number in range(20)})
    again = ports.choose({"a": chosen["0"], "b": chosen["0"]})

    assert 20 == len(set(chosen.values()))
    assert again["a"] != again["b"]


def test_something_else_in_the_place_of_a_claim_is_gone_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in the place of one file costs that port; a file in the folder's place is named."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"mlplatform-ports-{os.getuid()}"
    usual = ports.choose({"one": 0})["one"]
    (folder / str(usual)).mkdir(parents=True)
    with contextlib.ExitStack() as claims:
        other = ports.choose({"one": usual}, claims=claims)["one"]
    shutil.rmtree(folder)
    folder.touch()
    with contextlib.ExitStack() as claims, pytest.raises(Unavailable, match=str(folder)):
        ports.choose({"one": 0}, claims=claims)

    assert usual != other
