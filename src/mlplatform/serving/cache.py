"""The last good models on disk: a restart can serve while data API, MLflow or git are away.

    <pipeline>/champion.json                   the version that served last, the id of its promotion
                                               record, the version that served before it, and
                                               what is redacted
    <pipeline>/<version>-<manifest>/           its model folder, as it was downloaded
    <pipeline>/features-<digest>.py            its features code

Nothing here is trusted: manifest and digest are checked again before every load, against the facts
in champion.json. Whoever may write this folder could also change champion.json; it must belong to
the process alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mlplatform.contracts.pipeline import Redaction
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.durable import write_whole
from mlplatform.telemetry import logger

_log = logger("serving")
_CHAMPION = "champion.json"


class Remembered(BaseModel):
    """The version that served last, and the one that served before it.

    Fields that a newer release has added are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    record: int
    version: ModelVersion
    before: ModelVersion | None = None
    redact: dict[str, Redaction] = {}


class ModelCache:
    """One folder per pipeline. Blocking; one thread per pipeline at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def model_folder(self, version: ModelVersion) -> Path:
        """Where that version's model folder lies or will lie."""
        return self._folder / version.pipeline / _model_name(version)

    def remembered(self, pipeline: str) -> Remembered | None:
        """The version that served last; None when there is no note, or an unreadable one."""
        path = self._folder / pipeline / _CHAMPION
        try:
            return Remembered.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _log.error(
                "the note of the last good model can't be read", path=str(path), error=str(error)
            )
            return None

    def remember(
        self, record: int, version: ModelVersion, redact: Mapping[str, Redaction] | None = None
    ) -> None:
        """Note durably the version that serves now, and what is not to be stored of its requests.

        Removes what no restart will need: all but it and the one before.
        """
        last = self.remembered(version.pipeline)
        before = last.version if last is not None else None
        if last is not None and _model_name(last.version) == _model_name(version):
            before = last.before  # the same version again, after a restart
        note = Remembered(record=record, version=version, before=before, redact=dict(redact or {}))
        _write(self._folder / version.pipeline / _CHAMPION, note.model_dump_json(indent=1).encode())
        self._prune(version.pipeline, [version, *([before] if before else [])])

    def forget(self, pipeline: str) -> None:
        """Remove the note: no version of that pipeline serves after a restart."""
        try:
            (self._folder / pipeline / _CHAMPION).unlink(missing_ok=True)
        except OSError as error:
            _log.error(
                "the note of the last good model can't be removed: a restart without the data API "
                "would serve it",
                pipeline=pipeline,
                error=str(error),
            )

    def features(self, pipeline: str, digest: str) -> bytes | None:
        """Stored features code; None when there is none."""
        try:
            return (self._folder / pipeline / _features_name(digest)).read_bytes()
        except FileNotFoundError:
            return None

    def keep_features(self, pipeline: str, digest: str, source: bytes) -> None:
        """Store features code whose digest has been checked."""
        _write(self._folder / pipeline / _features_name(digest), source)

    def drop(self, version: ModelVersion) -> None:
        """Remove a model folder that doesn't match its manifest."""
        shutil.rmtree(self.model_folder(version), ignore_errors=True)

    def _prune(self, pipeline: str, keep: list[ModelVersion]) -> None:
        names = {_CHAMPION, *map(_model_name, keep)}
        names |= {_features_name(version.features_digest) for version in keep}
        for path in (self._folder / pipeline).iterdir():
            if path.name in names:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _model_name(version: ModelVersion) -> str:
    return f"{version.version}-{version.manifest_sha256[:16]}"


def _features_name(digest: str) -> str:
    return f"features-{digest[:16]}.py"


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
