"""One stack for all fault tests: a single pipeline, trained once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hanging import HangingStack, disk
from whole import HOSTILE, NAME, Platform, trained

from mlplatform.local.stack import Options

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one pipeline, and with one whose code is hostile."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "pipelines" / NAME, folder / "pipelines" / NAME)
    shutil.copytree(Path(__file__).parent / HOSTILE, folder / "pipelines" / HOSTILE)
    return folder


@pytest.fixture
def platform(started: Platform) -> Platform:
    """The platform, whatever the test before did to it: the champion answers."""
    started.await_version(started.champion())
    return started


@pytest.fixture(scope="session")
def started(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with its first version in front of the traffic."""
    options = Options(home=tmp_path_factory.mktemp("home"), source=str(source), working_tree=True)
    place = disk(tmp_path_factory.mktemp("disk"))
    with HangingStack(options, place) as stack, trained(stack) as found:
        yield found
