"""Pipelines out of a git server over HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dulwich.repo import Repo
from git_server import GitServer
from pydantic import SecretStr

from mlplatform.errors import SettingsError, Unavailable, UnknownName
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout

# dulwich leaves the last response of a fetch to the garbage collector, which closes its socket with
# a warning.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def _model(settings: SourceSettings, ref: str | None = None) -> str:
    return (checkout(settings, ref=ref).folder / "loans" / "model.py").read_text()


def test_a_moved_branch_is_fetched_again(git: GitServer, tmp_path: Path) -> None:
    """Every use of a branch calls the server, so a push is seen at once."""
    git.commit("first")
    settings = git.settings(tmp_path / "cache")
    first = _model(settings)
    git.commit("second")

    assert ("first", "second") == (first, _model(settings))


def test_a_known_commit_asks_nobody(git: GitServer, tmp_path: Path) -> None:
    """A hash that was fetched once needs no server any more; older commits come with the clone."""
    old, new = git.commit("first"), git.commit("second")
    settings = git.settings(tmp_path / "cache")
    assert "second" == _model(settings, new)
    before = len(git.requests)

    assert ("first", "second") == (_model(settings, old), _model(settings, new))
    assert len(git.requests) == before > 0


def test_branches_and_tags_follow_the_server(git: GitServer, tmp_path: Path) -> None:
    """Names that the server made, moved or deleted are made, moved and deleted in the clone."""
    first = git.commit("first")
    settings = git.settings(tmp_path / "cache")
    with Repo(str(git.folder)) as repository:
        repository.refs[b"refs/heads/release"] = first.encode()
        repository.refs[b"refs/tags/v1"] = first.encode()
    second = git.commit("second")
    before = (_model(settings, "release"), _model(settings, "v1"))
    with Repo(str(git.folder)) as repository:
        repository.refs[b"refs/heads/release"] = second.encode()
        del repository.refs[b"refs/tags/v1"]

    assert ("first", "first") == before
    assert "second" == _model(settings, "release")
    with pytest.raises(UnknownName, match="v1: no branch, tag or commit of that name"):
        _model(settings, "v1")


def test_a_password_is_sent_and_never_shown(git: GitServer, tmp_path: Path) -> None:
    """Basic authentication works; a refusal says what to set, and never holds the password."""
    git.commit("first")
    git.password = "open sesame"
    good = git.settings(tmp_path / "cache", username="robot", password=SecretStr("open sesame"))
    bad = git.settings(tmp_path / "other", username="robot", password=SecretStr("wrong-one"))

    assert "first" == _model(good)
    with pytest.raises(SettingsError) as refusal:
        _model(bad)
    assert "MLPLATFORM_SOURCE__USERNAME: http://127.0.0.1" in str(refusal.value)
    assert "wrong-one" not in str(refusal.value)


def test_a_server_that_is_away_is_unavailable(git: GitServer, tmp_path: Path) -> None:
    """Nobody listens: another try later makes sense. A commit in the cache is read all the same."""
    made = git.commit("first")
    settings = git.settings(tmp_path / "cache")
    _model(settings)
    port, git.port = git.port, 1
    away = git.settings(tmp_path / "cache", url="http://127.0.0.1:1/")

    with pytest.raises(
        Unavailable, match=r"no answer from the git server at http://127\.0\.0\.1:1/"
    ):
        _model(away)
    git.port = port
    assert "first" == _model(settings, made)


def test_a_server_that_is_not_git_is_reported(git: GitServer, tmp_path: Path) -> None:
    """A path without a repository on a living server is a mistake of the setting."""
    with pytest.raises(
        (SettingsError, Unavailable), match=r"not a git repository|no answer from the git server"
    ):
        _model(git.settings(tmp_path / "cache", url=f"http://127.0.0.1:{git.port}/nothing/here"))


FETCH = """
import sys
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
found = checkout(SourceSettings.model_validate_json(sys.argv[1]))
print((found.folder / "loans" / "model.py").read_text())
"""


def test_many_processes_may_fetch_at_once(git: GitServer, tmp_path: Path) -> None:
    """Several processes with one cache get whole files, whoever clones first."""
    git.commit("first")
    settings = git.settings(tmp_path / "cache").model_dump_json(exclude_none=True)
    children = [
        subprocess.Popen([sys.executable, "-c", FETCH, settings], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    found = [child.communicate(timeout=120)[0].strip() for child in children]

    assert ["first"] * 4 == found
