"""Unit tests open no socket: what needs a server lives in tests/integration."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket


@pytest.fixture(autouse=True)
def _no_sockets() -> None:
    """Refuse sockets; asyncio's own socketpair (AF_UNIX) stays allowed."""
    disable_socket(allow_unix_socket=True)
