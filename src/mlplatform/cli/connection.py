"""Where the platform is: the local stack of this folder, or what the settings say.

`MLPLATFORM_DATAAPI__URL` decides for a cluster (with `…DATAAPI__TOKEN`, `…SERVING__URL`,
`…REGISTRY__URL`); else the nearest `.mlplatform/state.json` does, or the one that `--home` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlplatform.client.dataapi import DataApi
    from mlplatform.local.state import State
    from mlplatform.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of the local stack; empty: .mlplatform here or in a folder above.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Place:
    """A platform that can be called."""

    settings: Settings  # with the addresses of the local stack filled in
    state: State | None  # None: the settings named a platform, it is not ours

    def token(self, caller: str) -> str | None:
        """The bearer token: of that caller of the local stack, or the one of the settings."""
        if self.state is None:
            token = self.settings.dataapi.token
            return token.get_secret_value() if token else None
        from mlplatform.local import secrets

        return secrets.tokens(self.state.home / "secrets")[caller]

    @contextmanager
    def dataapi(self, caller: str = "admin") -> Iterator[DataApi]:
        """A client of the data API."""
        from pydantic import SecretStr

        from mlplatform.client.dataapi import DataApi

        token = self.token(caller)
        with DataApi(
            self.settings.dataapi.url, SecretStr(token) if token else None, timeout_s=120.0
        ) as client:
            yield client


def local(home: Path | None) -> State | None:
    """The local stack of this folder, running or not."""
    from mlplatform.local import state

    return state.find(home, Path.cwd())


def connect(home: Path | None = None) -> Place:
    """The platform that the command is about.

    Raises Refused when there is none, or when the local one is down.
    """
    from mlplatform import settings as knobs
    from mlplatform.errors import Refused

    settings = knobs.load()
    if home is None and "url" in settings.dataapi.model_fields_set:
        return Place(settings, None)
    state = local(home)
    if state is None:
        raise Refused(
            "there is no local stack here",
            field="--home",
            fix="`mlplatform up` starts one; or set MLPLATFORM_DATAAPI__URL",
        )
    if not state.running:
        raise Refused(
            f"the stack in {state.home} is not running",
            field="--home",
            fix="start it with `mlplatform up`",
        )
    return Place(with_addresses(settings, state), state)


def with_addresses(settings: Settings, state: State) -> Settings:
    """The settings as a caller of that stack needs them.

    What the environment says about other things stays.
    """
    return settings.model_copy(
        update={
            "dataapi": settings.dataapi.model_copy(update={"url": state.urls["dataapi"]}),
            "serving": settings.serving.model_copy(update={"url": state.urls["serving"]}),
            "registry": settings.registry.model_copy(update={"url": state.urls["mlflow"]}),
            "source": settings.source.model_copy(
                update={
                    "url": settings.source.url or state.source,
                    "working_tree": settings.source.working_tree or state.working_tree,
                    "cache": settings.source.cache or state.home / "cache" / "source",
                }
            ),
        }
    )
