"""One stack for all fault tests: a single pipeline, trained once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hanging import HangingStack, disk
from pydantic import SecretStr
from whole import HOSTILE, NAME, Platform

from mlplatform.client import pipelines
from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.local.stack import LocalStack, Options
from mlplatform.local.tour import history, traffic
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one pipeline, and with one whose code is hostile."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "pipelines" / NAME, folder / "pipelines" / NAME)
    shutil.copytree(Path(__file__).parent / HOSTILE, folder / "pipelines" / HOSTILE)
    return folder


@pytest.fixture
def platform(running: Platform) -> Platform:
    """The platform, whatever the test before did to it: the champion answers."""
    running.await_version(running.champion())
    return running


@pytest.fixture(scope="session")
def running(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with its first version in front of the traffic."""
    options = Options(home=tmp_path_factory.mktemp("home"), source=str(source), working_tree=True)
    place = disk(tmp_path_factory.mktemp("disk"))
    with HangingStack(options, place) as stack:
        stack.start()
        with clients(stack) as found:
            rows = list(history.history(NAME))
            traffic.import_rows(found.admin, NAME, rows, key="history")
            found.train("first version")
            yield found


@contextmanager
def clients(stack: LocalStack) -> Iterator[Platform]:
    """A `Platform` on a running stack, its pipeline applied."""
    token, code = (
        stack.secrets.tokens["admin"],
        checkout(SourceSettings(url=stack.options.source, working_tree=True)),
    )
    with (
        DataApi(stack.state.urls["dataapi"], SecretStr(token)) as admin,
        ServingClient(stack.state.urls["serving"], token) as serving,
    ):
        pipelines.apply(admin, code, NAME)
        yield Platform(stack, admin, serving, code.read(NAME).definition)
