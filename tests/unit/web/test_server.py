"""Connections and open files."""

from __future__ import annotations

import resource

import pytest

from mlplatform.web import places

FREE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "connections", "raised"),
    [
        ((1024, 4096), 1024, [(1280, 4096)]),
        ((1024, FREE), 1024, [(1280, FREE)]),
        ((1024, 1024), 768, [(1024, 1024)]),
        ((2048, 2048), 1024, []),
        ((FREE, FREE), 1024, []),
    ],
)
def test_open_files_are_enough_for_the_connections(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    connections: int,
    raised: list[tuple[int, int]],
) -> None:
    """The limit is raised as far as needed; what is not to be had lowers the connections."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: found.append(pair))

    assert connections == places.room_for(1024)
    assert raised == found
