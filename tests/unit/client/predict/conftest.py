"""A client of serving in memory."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tensor_server import TensorServer

from mlplatform.client.serving import ServingClient


@pytest.fixture(scope="session")
def client_of() -> Callable[[TensorServer], ServingClient]:
    """A client of that server."""

    def make(server: TensorServer) -> ServingClient:
        made = ServingClient("http://serving", None)
        transport = httpx.MockTransport(server.answer)
        made._http.http = httpx.Client(base_url="http://serving", transport=transport)
        return made

    return make
