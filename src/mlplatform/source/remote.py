"""Git repositories: at a path, read in place; behind http(s), kept as a bare clone in the cache."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dulwich.client import HTTPUnauthorized, Urllib3HttpGitClient, get_transport_and_path
from dulwich.config import ConfigDict
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.objects import Commit, ObjectID
from dulwich.objectspec import parse_commit
from dulwich.refs import Ref
from dulwich.repo import Repo
from urllib3.exceptions import HTTPError

from mlplatform.errors import SettingsError, Unavailable, UnknownName
from mlplatform.settings import SourceSettings, variable
from mlplatform.telemetry import logger

_log = logger("source")
_HASH = re.compile(r"^[0-9a-f]{40}$")
TIMEOUT_S = 30.0
"""How long a git server may send nothing; a clone as a whole may take longer."""


def is_path(url: str) -> bool:
    """Whether the setting names a folder rather than a server."""
    return "://" not in url or url.startswith("file://")


def path_of(settings: SourceSettings) -> Path:
    """The folder that the setting names."""
    return Path(settings.url.removeprefix("file://")).expanduser()


def open_path(settings: SourceSettings) -> Repo:
    """The repository at a path. Raises SettingsError when there is none."""
    try:
        return Repo(str(path_of(settings)))
    except NotGitRepository as error:
        raise SettingsError(
            f"{settings.url} is not a git repository",
            field=variable("source", "url"),
            fix="run git init and commit there, or read the files as they lie with --working-tree",
        ) from error


def fetched(settings: SourceSettings, ref: str, place: Path) -> Repo:
    """The clone at `place`, with `ref` in it if the server has it.

    No server is needed for a full hash that is there already.
    """
    with _alone(place):
        repository = _clone(place)
        try:
            if not (_HASH.match(ref) and ObjectID(ref.encode()) in repository.object_store):
                _fetch(settings, repository, ref)
        except BaseException:
            repository.close()
            raise
    return repository


def discard(place: Path, why: Exception) -> None:
    """Remove a clone that can't be read: it is fetched again."""
    _log.error("the clone of the pipelines is damaged", clone=str(place), error=repr(why))
    with _alone(place):
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def commit_of(repository: Repo, ref: str, settings: SourceSettings) -> Commit:
    """The commit that a branch, tag or hash stands for. Raises UnknownName."""
    try:
        return parse_commit(repository, ref.encode())
    except (KeyError, ValueError) as error:
        what, fix = "no branch, tag or commit of that name", ""
        if ref == "HEAD":
            what = "it has no commit yet"
            fix = f"`git add {settings.folder}`, then `git commit -m 'First pipelines'`; or read "
            fix += "the files as they lie with --working-tree"
        raise UnknownName(
            f"{shown(settings.url)}: {ref}: {what}", field=variable("source", "ref"), fix=fix
        ) from error


def shown(url: str) -> str:
    """The URL without user and password, for messages."""
    parts = urlsplit(url)
    return (
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else url
    )


def _clone(place: Path) -> Repo:
    """The repository at `place`.

    It is made when there is none, or only what a process left that was killed while it made one.
    """
    with suppress(NotGitRepository):
        return Repo(str(place))
    beside = place.with_suffix(".new")
    for leftover in (place, beside):
        shutil.rmtree(leftover, ignore_errors=True)
        leftover.unlink(missing_ok=True)  # a file in their place
    with Repo.init_bare(str(beside), mkdir=True) as made:
        config = made.get_config()
        # Otherwise a power cut could leave names without their objects, for ever.
        config.set((b"core",), b"fsyncObjectFiles", True)
        config.write_to_path()
    beside.rename(place)
    return Repo(str(place))


def _fetch(settings: SourceSettings, repository: Repo, ref: str) -> None:
    where = shown(settings.url)
    if not settings.url.startswith(("http://", "https://")):
        raise SettingsError(
            f"{where}: only http, https, file and paths are known", field=variable("source", "url")
        )
    client, path = _client(settings)
    try:
        with _translated(where):
            found = client.fetch(path, repository)
            if _HASH.match(ref) and ObjectID(ref.encode()) not in repository.object_store:
                # A commit that no branch leads to any more; many servers still give it when it is
                # requested by name.
                client.fetch(path, repository, determine_wants=_only(ref))
    finally:
        client.pool_manager.clear()
    refs = {name: sha for name, sha in found.refs.items() if sha is not None}
    _take_over(repository, refs, dict(found.symrefs))


def _only(ref: str) -> Callable[..., list[ObjectID]]:
    """Fetch one commit, whatever the server's branches are."""
    return lambda *_, **__: [ObjectID(ref.encode())]


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Dulwich's errors as ours; `where` is the URL without user and password."""
    try:
        yield
    except HTTPUnauthorized as error:
        raise SettingsError(
            f"{where} requires a user and password, or refuses these",
            field=variable("source", "username"),
            fix="see docs/how-to/pipelines.md",
        ) from error
    except NotGitRepository as error:
        raise SettingsError(
            f"{where} is not a git repository", field=variable("source", "url")
        ) from error
    except (GitProtocolError, HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise  # about a file of the clone, not about the server
        raise Unavailable(
            f"no answer from the git server at {where}: {error}", retry_after_s=5.0
        ) from error


def _client(settings: SourceSettings) -> tuple[Urllib3HttpGitClient, str]:
    config = ConfigDict()
    config.set((b"http",), b"timeout", str(TIMEOUT_S).encode())
    password = settings.password.get_secret_value() if settings.password else None
    client, path = get_transport_and_path(
        settings.url, config=config, username=settings.username, password=password, quiet=True
    )
    assert isinstance(client, Urllib3HttpGitClient)  # what http and https URLs lead to
    return client, path


def _take_over(repository: Repo, refs: dict[Ref, ObjectID], symbolic: dict[Ref, Ref]) -> None:
    """Make the clone's branches and tags those of the server: moved ones move, deleted ones go."""
    kept = {
        name: sha
        for name, sha in refs.items()
        if name.startswith((b"refs/heads/", b"refs/tags/")) and not name.endswith(b"^{}")
    }
    for name in repository.refs.allkeys():
        if name.startswith((b"refs/heads/", b"refs/tags/")) and name not in kept:
            repository.refs.remove_if_equals(name, None)
    for name, sha in kept.items():
        repository.refs.set_if_equals(name, None, sha)
    head = symbolic.get(Ref(b"HEAD"))
    if head is not None:
        repository.refs.set_symbolic_ref(Ref(b"HEAD"), head)
    elif Ref(b"HEAD") in refs:
        repository.refs.set_if_equals(Ref(b"HEAD"), None, refs[Ref(b"HEAD")])


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One fetch at a time per clone, across processes; the lock goes with the process."""
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
