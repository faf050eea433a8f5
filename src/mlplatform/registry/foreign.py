"""A registered version of any MLflow server, downloaded as a folder. Nothing of it is loaded."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from mlplatform.errors import InvalidInput, Refused
from mlplatform.registry.store import ModelStore

WITHIN_S = 60.0
MOST_FILES = 1_000
_PREFIX = "models:/"


def parse(address: str) -> tuple[str, str]:
    """(model, version) of models:/NAME/3. Raises InvalidInput for another form."""
    name, _, number = address.removeprefix(_PREFIX).rpartition("/")
    if not address.startswith(_PREFIX) or not name or not number.isdigit():
        raise InvalidInput(
            f"'{address}' is not a version",
            field="FILE",
            fix="write models:/NAME/3, with the version's number",
        )
    return name, number


def download(store: ModelStore, address: str, to: Path) -> None:
    """Put the files of a version into the folder `to`.

    Raises UnknownName, Unavailable; Refused where its files don't lie behind the server itself.
    """
    model, number = parse(address)
    uri = store.download_uri(model, number, deadline=time.monotonic() + WITHIN_S)
    parts = urlsplit(uri)
    if parts.scheme != "mlflow-artifacts":
        raise Refused(
            f"the files of {address} lie at {parts.scheme or 'a path'}:, not behind the server",
            field="FILE",
            fix="download them (mlflow artifacts download), and name the folder",
        )
    folder = parts.path.strip("/")
    files = store.tree(folder)
    if len(files) > MOST_FILES:
        raise Refused(f"{address} has {len(files)} files", field="FILE")
    for file in files:
        if ".." in file.split("/"):
            raise Refused(f"{address} has a file {file}", field="FILE")
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        store.fetch(f"{folder}/{file}", to / file)
