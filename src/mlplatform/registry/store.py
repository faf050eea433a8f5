"""Models over MLflow's REST interface, without MLflow's client.

Verified downloads, and the aliases that mirror the promotion record.

Serving and the data API use it. Nothing that comes from here is trusted: each file is hashed while
it arrives, against the manifest whose digest the caller got from the promotion record.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from mlplatform.contracts.model import ModelFile
from mlplatform.errors import InvalidInput, ManifestMismatch, TooLarge, Unavailable, UnknownName
from mlplatform.registry import manifest

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


class ModelStore:
    """A blocking client with one connection pool; use as a context manager.

    Safe to share between threads.
    """

    def __init__(
        self, url: str, *, credentials: tuple[str, str] | None = None, timeout_s: float = 30.0
    ) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), auth=credentials, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ping(self) -> None:
        """Return when MLflow responds; raises Unavailable otherwise."""
        self._call("GET", "/health")

    def download(self, artifacts: str, to: Path, manifest_sha256: str) -> None:
        """Put the model folder `artifacts` at `to`, which must not exist yet.

        `artifacts` is '<experiment>/<run>/artifacts/model'. `to` appears whole and verified, or not
        at all. Raises ManifestMismatch when a byte differs, UnknownName when there is no such
        folder, Unavailable when MLflow is away.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
        try:
            data = self.read(f"{artifacts}/{manifest.NAME}")
            for file in manifest.parse(data, manifest_sha256).files:
                self._fetch(artifacts, file, part)
            (part / manifest.NAME).write_bytes(data)
            part.rename(to)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # gone already when it was renamed

    def read(self, path: str) -> bytes:
        """The bytes of one small artifact."""
        return self._call("GET", f"{_ARTIFACTS}/{quote(path)}").content

    def fetch(self, path: str, to: Path) -> tuple[int, str]:
        """Stream one artifact into the file `to`; returns its size and SHA-256.

        Nothing is compared here.
        """
        running, size = hashlib.sha256(), 0
        try:
            with (
                self._http.stream("GET", f"{_ARTIFACTS}/{quote(path)}") as answer,
                to.open("wb") as file,
            ):
                _raise_for(answer, path)
                for piece in answer.iter_bytes():
                    size += file.write(piece)
                    running.update(piece)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        return size, running.hexdigest()

    def read_within(self, path: str, *, most_bytes: int, deadline: float) -> bytes:
        """The bytes of one artifact that somebody else chose.

        Raises TooLarge above `most_bytes`, Unavailable when `deadline` (of `time.monotonic`) comes
        first.
        """
        pieces = self._pieces(path, most_bytes=most_bytes, deadline=deadline)
        return b"".join(pieces)

    def hash_within(self, path: str, *, most_bytes: int, deadline: float) -> tuple[int, str]:
        """Size and SHA-256 of one artifact, nothing of it kept; raises as `read_within`."""
        running, size = hashlib.sha256(), 0
        for piece in self._pieces(path, most_bytes=most_bytes, deadline=deadline):
            size += len(piece)
            running.update(piece)
        return size, running.hexdigest()

    def version(self, model: str, number: str, *, deadline: float) -> Mapping[str, Any]:
        """A version as MLflow knows it: run_id, source and more.

        Raises UnknownName when it has none.
        """
        query = {"name": model, "version": number}
        answer = self._call(
            "GET", f"{_API}/model-versions/get", params=query, timeout=_left(deadline)
        )
        return cast("Mapping[str, Any]", answer.json()["model_version"])

    def download_uri(self, model: str, number: str, *, deadline: float) -> str:
        """Where the files of a version lie, resolved by MLflow. Raises UnknownName."""
        query = {"name": model, "version": number}
        answer = self._call(
            "GET",
            f"{_API}/model-versions/get-download-uri",
            params=query,
            timeout=_left(deadline),
        )
        return str(answer.json()["artifact_uri"])

    def tree(self, path: str) -> list[str]:
        """Paths of all files below an artifact folder, relative to it, sorted.

        Empty when there is none.
        """
        found: list[str] = []
        for entry in self._call("GET", _ARTIFACTS, params={"path": path}).json().get("files", []):
            name = entry["path"]
            found += (
                [f"{name}/{below}" for below in self.tree(f"{path}/{name}")]
                if entry.get("is_dir")
                else [name]
            )
        return sorted(found)

    def sizes(self, path: str) -> dict[str, int]:
        """Every file below an artifact folder, by its whole path, and its bytes."""
        found: dict[str, int] = {}
        for entry in self._call("GET", _ARTIFACTS, params={"path": path}).json().get("files", []):
            name = f"{path}/{entry['path']}"
            found |= self.sizes(name) if entry.get("is_dir") else {name: int(entry["file_size"])}
        return found

    def remove(self, path: str) -> None:
        """Remove an artifact folder or file; one that isn't there is no error."""
        try:
            self._call("DELETE", f"{_ARTIFACTS}/{quote(path)}")
        except UnknownName:
            return

    def runs(self, experiment: str, *, before: datetime) -> list[Mapping[str, Any]]:
        """MLflow's `info` of the runs that an experiment of that name began before a moment.

        Empty when there is no such experiment.
        """
        query = {"experiment_name": experiment}
        try:
            answer = self._call("GET", f"{_API}/experiments/get-by-name", params=query).json()
        except UnknownName:
            return []
        body: dict[str, Any] = {
            "experiment_ids": [answer["experiment"]["experiment_id"]],
            "filter": f"attributes.start_time < {int(before.timestamp() * 1000)}",
            "max_results": 1_000,
        }
        found: list[Mapping[str, Any]] = []
        while True:
            page = self._call("POST", f"{_API}/runs/search", json=body).json()
            found += [run["info"] for run in page.get("runs", [])]
            body["page_token"] = page.get("next_page_token", "")
            if not body["page_token"]:
                return found

    def upload(self, path: str, data: Path) -> None:
        """Put one file at an artifact path (a restore does)."""
        with data.open("rb") as file:
            self._call(
                "PUT", f"{_ARTIFACTS}/{quote(path)}", content=iter(lambda: file.read(1 << 20), b"")
            )

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> version. Raises UnknownName when MLflow has no such model."""
        answer = self._call("GET", f"{_API}/registered-models/get", params={"name": model}).json()
        return {
            alias["alias"]: alias["version"]
            for alias in answer["registered_model"].get("aliases", [])
        }

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version; repeating it is harmless."""
        self._call(
            "POST",
            f"{_API}/registered-models/alias",
            json={"name": model, "alias": alias, "version": version},
        )

    def delete_alias(self, model: str, alias: str) -> None:
        """Remove an alias; one that isn't there is no error."""
        self._call(
            "DELETE", f"{_API}/registered-models/alias", json={"name": model, "alias": alias}
        )

    def versions(self, model: str) -> list[dict[str, Any]]:
        """All versions as MLflow lists them, oldest first; empty for an unknown model.

        Each has name, version, run_id, source, tags and more.
        """
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query: dict[str, Any] = {"filter": f"name='{model}'", "max_results": 200} | (
                {"page_token": token} if token else {}
            )
            page = self._call("GET", f"{_API}/model-versions/search", params=query).json()
            found += page.get("model_versions", [])
            token = page.get("next_page_token", "")
            if not token:
                return sorted(found, key=lambda entry: int(entry["version"]))

    def _fetch(self, artifacts: str, file: ModelFile, folder: Path) -> None:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            size, sha256 = self.fetch(f"{artifacts}/{file.path}", target)
        except UnknownName as error:
            raise ManifestMismatch(
                f"{file.path} is missing in the registry", field=file.path
            ) from error
        manifest.check(file, ModelFile(path=file.path, size=size, sha256=sha256))

    def _pieces(self, path: str, *, most_bytes: int, deadline: float) -> Iterator[bytes]:
        size, address = 0, f"{_ARTIFACTS}/{quote(path)}"
        try:
            with self._http.stream("GET", address, timeout=_left(deadline)) as answer:
                _raise_for(answer, path)
                for piece in answer.iter_bytes():
                    size += len(piece)
                    if size > most_bytes:
                        raise TooLarge(f"{path} has more than {most_bytes} bytes", field=path)
                    # A server that sends a byte now and then never meets the time limit of a read.
                    if time.monotonic() > deadline:
                        raise Unavailable(f"MLflow did not send {path} in time")
                    yield piece
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        _raise_for(answer, path)
        return answer

    def _away(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(f"no answer from MLflow at {self._http.base_url}: {error!r}")


def _left(deadline: float) -> float:
    """Seconds until `deadline`, for one wait. Raises Unavailable when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unavailable("MLflow is too slow")
    return left


def _raise_for(answer: httpx.Response, path: str) -> None:
    """MLflow's errors as ours: 404 is an unknown name, 5xx is away, the rest a wrong call."""
    if answer.is_success:
        return
    answer.read()
    detail = _detail(answer)
    if answer.status_code == 404:
        raise UnknownName(f"MLflow has no {path}: {detail}")
    if answer.status_code >= 500:
        raise Unavailable(f"MLflow answered {answer.status_code} for {path}: {detail}")
    raise InvalidInput(f"MLflow refused {path} ({answer.status_code}): {detail}")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        return answer.text[:200]
