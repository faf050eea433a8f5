"""Where the platform is: the local stack of this folder, or what the settings say.

`MLPLATFORM_DATAAPI__URL` decides for a cluster (with `…DATAAPI__TOKEN`, `…SERVING__URL`,
`…REGISTRY__URL`); else the nearest `.mlplatform/state.json` does, or the one in the
home that was named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from mlplatform import settings
from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.local import secrets, state
from mlplatform.local.state import State


@dataclass(frozen=True)
class Platform:
    """A platform that can be called."""

    settings: settings.Settings  # with the addresses of the local stack filled in
    state: State | None  # None: the settings named a platform, it is not ours

    def token(self, caller: str) -> str | None:
        """The bearer token: of that caller of the local stack, or the one of the settings."""
        if self.state is not None:
            return secrets.tokens(self.state.home / "secrets")[caller]
        token = self.settings.dataapi.token
        return token.get_secret_value() if token else None

    @contextmanager
    def dataapi(self, caller: str = "admin") -> Iterator[DataApi]:
        """A client of the data API."""
        token = self.token(caller)
        with DataApi(
            self.settings.dataapi.url, SecretStr(token) if token else None, timeout_s=120.0
        ) as client:
            yield client

    def serving(self) -> ServingClient:
        """A client of serving, to be used as a context manager."""
        return ServingClient(self.settings.serving.url, self.token("client"))


def find(home: Path | None, *, field: str) -> Platform:
    """The platform that is meant; `field` is what can name the home of another one.

    Raises Refused when there is none, Unavailable when the local one is down.
    """
    loaded = settings.load()
    if home is None and "url" in loaded.dataapi.model_fields_set:
        return Platform(loaded, None)
    fix = "`mlplatform up` starts one; or set MLPLATFORM_DATAAPI__URL"
    stack = state.existing(home, Path.cwd(), field=field, fix=fix)
    stack.require_running(field=field)
    return Platform(_with_addresses(loaded, stack), stack)


def _with_addresses(loaded: settings.Settings, stack: State) -> settings.Settings:
    """The settings as a caller of that stack needs them.

    What the environment says about other things stays.
    """
    source = loaded.source
    changed = {
        "dataapi": loaded.dataapi.model_copy(update={"url": stack.urls["dataapi"]}),
        "serving": loaded.serving.model_copy(update={"url": stack.urls["serving"]}),
        "registry": loaded.registry.model_copy(update={"url": stack.urls["mlflow"]}),
        "source": source.model_copy(
            update={
                "url": source.url or stack.source,
                "working_tree": source.working_tree or stack.working_tree,
                "cache": source.cache or stack.home / "cache" / "source",
            }
        ),
    }
    return loaded.model_copy(update=changed)
