from __future__ import annotations

import contextlib
import socket

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
