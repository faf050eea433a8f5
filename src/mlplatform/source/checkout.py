"""One commit's pipelines folder, as files.

`checkout` finds the commit of a branch, tag or hash (fetching a remote when it has to) and writes
that commit's `pipelines` folder into the cache once; the folder of a commit never changes
afterwards, so any number of processes may read it. Only what a disk damaged is written anew. A
working tree is copied in the same way under the hash of its content: files that are edited
meanwhile can't change under a reader.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput, PlatformError, SettingsError, UnknownName
from mlplatform.settings import SourceSettings, variable
from mlplatform.source import remote, tree, working_tree
from mlplatform.source.pipeline_files import PipelineFiles, read, read_applied

_CLONE = "repository.git"


@dataclass(frozen=True)
class Checkout:
    """The pipelines of one commit.

    `folder` holds one folder per pipeline and must not be written to.
    """

    commit: str
    folder: Path

    def pipelines(self) -> list[str]:
        """Names of the folders that hold a pipeline.yaml, sorted."""
        return sorted(path.parent.name for path in self.folder.glob("*/pipeline.yaml"))

    def features(self, name: str) -> bytes | None:
        """The bytes of a pipeline's features.py, None when it has none. Raises UnknownName.

        The pipeline's other files are not read, and may be broken.
        """
        self._known(name)
        path = self.folder / name / "features.py"
        return path.read_bytes() if path.is_file() else None

    def read(self, name: str) -> PipelineFiles:
        """The files of one pipeline, checked as for an apply.

        Raises UnknownName, or InvalidInput that names file, line and key.
        """
        self._known(name)
        return read(self.folder / name)

    def read_applied(self, applied: PipelineDefinition) -> PipelineFiles | None:
        """The files of a pipeline that was applied, None when pipeline.yaml says something else.

        Raises UnknownName, or InvalidInput when a file is missing or is no YAML.
        """
        self._known(applied.name)
        return read_applied(self.folder / applied.name, applied)

    def _known(self, name: str) -> None:
        if name not in (there := self.pipelines()):
            raise UnknownName(
                f"no pipeline {name} at {self.commit[:25]}",
                field=name,
                fix=f"there are {', '.join(there) or 'none'}",
            )


def checkout(settings: SourceSettings, *, ref: str | None = None) -> Checkout:
    """The pipelines at `ref` (default: the setting). Blocks while a remote is fetched.

    Raises SettingsError (no repository, or a damaged one), UnknownName (no such ref), InvalidInput
    (no pipelines folder) or Unavailable (remote away). What is damaged in the cache is made anew. A
    recorded working tree that is not in the cache any more
    gives the present one: its `commit` differs, and the features digest decides whether its code
    may be used.
    """
    try:
        try:
            return _checkout(settings, ref)
        except PlatformError:
            raise
        except Exception as error:
            # As broad as this: dulwich has no class for what a damaged repository makes it raise.
            if remote.is_path(settings.url):
                raise
            remote.discard(_cache(settings) / _CLONE, error)
            return _checkout(settings, ref)
    except PlatformError:
        raise
    except Exception as error:
        raise _damaged(settings, error) from error


def _checkout(settings: SourceSettings, ref: str | None) -> Checkout:
    place = _cache(settings)
    revision = ref or settings.ref
    if working_tree.is_commit(revision) or (settings.working_tree and ref is None):
        return _of_working_tree(settings, place, revision)
    repository = (
        remote.open_path(settings)
        if remote.is_path(settings.url)
        else remote.fetched(settings, revision, place / _CLONE)
    )
    with repository:
        commit = remote.commit_of(repository, revision, settings)
        folder = place / commit.id.decode() / settings.folder
        tree.keep(tree.entries(repository, commit.tree, settings.folder), folder)
    return Checkout(commit.id.decode(), folder)


def _damaged(settings: SourceSettings, error: Exception) -> SettingsError:
    cause = f"{type(error).__name__}: {error}"
    if isinstance(error, KeyError):
        cause = f"its object {error} is missing"
    if isinstance(error, OSError) and error.filename:
        return SettingsError(
            f"can't use {error.filename}: {error.strerror}",
            field=variable("source", "cache"),
            fix="remove it, if it is in the way; what is in this folder can be made again",
        )
    return SettingsError(
        f"the git repository {remote.shown(settings.url)} can't be read: {cause}",
        field=variable("source", "url"),
        fix="it is damaged (`git fsck` says where), or a shallow clone: clone it again",
    )


def dirty(settings: SourceSettings) -> list[str]:
    """Files under the pipelines folder that differ from HEAD, sorted; empty for a remote."""
    if settings.working_tree or not remote.is_path(settings.url):
        return []
    with remote.open_path(settings) as repository:
        commit = remote.commit_of(repository, "HEAD", settings)
        try:
            committed = tree.entries(repository, commit.tree, settings.folder)
        except InvalidInput:  # the commit has no such folder: then every file in it is new
            committed = {}
    present = working_tree.files(settings)
    differing = (
        path
        for path in committed.keys() | present.keys()
        if committed.get(path) != present.get(path)
    )
    return sorted(path for path in differing if working_tree.counts(PurePath(path)))


def _of_working_tree(settings: SourceSettings, place: Path, ref: str) -> Checkout:
    for each in (place, _shared(settings)):
        kept = each / ref.replace(":", "-") / settings.folder
        if working_tree.is_commit(ref) and kept.exists():
            if working_tree.commit_of(working_tree.below(kept)) == ref:
                return Checkout(ref, kept)
            if each == place:
                tree.discard(kept)
    if not settings.working_tree:
        raise UnknownName(
            f"{ref} was read from a working tree that is not kept here",
            field="ref",
            fix="commit the files, or use --working-tree",
        )
    files = working_tree.files(settings)
    commit = working_tree.commit_of(files)
    folder = place / commit.replace(":", "-") / settings.folder
    tree.keep(files, folder)
    return Checkout(commit, folder)


def _cache(settings: SourceSettings) -> Path:
    """A folder per repository, made if need be: a temporary one where the cache can't be written.

    A training that runs as a user of its own reads the cache of the others, and must not change it.
    """
    if not settings.url:
        raise SettingsError(
            "is not set",
            field=variable("source", "url"),
            fix="a git URL or the path of a repository",
        )
    place = _shared(settings)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
    if not os.access(place, os.W_OK | os.X_OK):
        place = _scratch() / place.name
        place.mkdir(exist_ok=True)
    return place


def _shared(settings: SourceSettings) -> Path:
    name = hashlib.sha256(settings.url.encode()).hexdigest()[:16]
    return (settings.cache or _scratch()) / name


@cache
def _scratch() -> Path:
    """One temporary folder per process, removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-source-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
