"""What `import mlplatform` offers to programs and notebooks: `connect`.

The package itself imports this module when `connect` is first used, so that `import mlplatform`
costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.client.platform_client import PlatformClient
from mlplatform.client.serving import ServingClient
from mlplatform.errors import SettingsError
from mlplatform.local.connection import find

TIMEOUT_S = 120.0


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    serving_url: str | None = None,
    serving_token: str | None = None,
    home: Path | str | None = None,
) -> PlatformClient:
    """A client of the local stack of this folder, of the one in `home`, or of a platform elsewhere.

    With `url` (the data API's) it is elsewhere: `serving_url` and `serving_token` (empty: `token`)
    are for predictions. Without it MLPLATFORM_DATAAPI__URL and its companions decide, as for the
    command line. Nothing is called yet: a platform that is away shows at the first call.

    Raises Refused without a local stack, Unavailable when that is down, SettingsError for a token
    without its address.
    """
    if url is None:
        if token or serving_url or serving_token:
            fix = "give url= too, or none of them for the local stack"
            raise SettingsError("these belong to a platform elsewhere", field="url", fix=fix)
        return _found(None if home is None else Path(home))
    api = _dataapi(url, token)
    if serving_url is None:
        return PlatformClient(api, None, api)
    serving = ServingClient(serving_url, serving_token or token, timeout_s=TIMEOUT_S)
    return PlatformClient(api, serving, api)


def _found(home: Path | None) -> PlatformClient:
    platform = find(home, field="home")
    url = platform.settings.dataapi.url
    api, deciding = (_dataapi(url, platform.token(caller)) for caller in ("client", "admin"))
    return PlatformClient(api, platform.serving(), deciding)


def _dataapi(url: str, token: str | None) -> DataApi:
    return DataApi(url, SecretStr(token) if token else None, timeout_s=TIMEOUT_S)
