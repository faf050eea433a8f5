"""A home that an earlier version left starts on the present code, with all its rows."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.local.servers import binaries

OLDER = Path(__file__).parents[1] / "older"
PIPELINE = "breast-cancer"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def kept(homes: Path, make_stack: Any) -> Iterator[Any]:
    """That home, running."""
    home = homes / "older"
    with tarfile.open(OLDER / "home.tar.xz") as archive:
        archive.extractall(home, filter="data")
    data = home / "postgres" / "primary"
    if os.geteuid() == 0:  # PostgreSQL doesn't run as root, and only root can give files away
        uid = binaries.find(None, copies=home / "programs").uid
        for path in (data, *data.rglob("*")):
            os.chown(path, uid, uid)
    for folder in (data, *(path for path in data.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    stack = make_stack(home)
    stack.up("--no-tour")
    yield stack
    stack.end()
    shutil.rmtree(home)


def read(stack: Any, name: str, facts: dict[str, Any]) -> Receipt:
    """A dataset as it was then."""
    tokens = json.loads((stack.home / "secrets" / "tokens.json").read_text())
    query = DatasetQuery(as_of=facts["as_of"], digest=facts["digest"])
    token = SecretStr(tokens["admin"])
    with DataApi(stack.summaries[-1]["urls"]["dataapi"], token) as api:
        return api.receipt(api.dataset_rows(name, query).receipt_id)


def test_its_balance_is_closed_with_the_same_rows(kept: Any) -> None:
    """Nothing came, nothing went."""
    sheet = kept.json("balance")

    rows = sheet["rows"][PIPELINE]
    assert (531, 528, 3, 0) == tuple(
        rows[state] for state in ("raw", "featured", "quarantined", "unaccounted")
    )
    assert {"stored": 24, "dead_lettered": 1} == sheet["requests"]


def test_its_datasets_have_the_same_content(kept: Any) -> None:
    """Row by row: a receipt of then still proves what it proved."""
    known = json.loads((OLDER / "datasets.json").read_text())
    found = {name: read(kept, name, facts) for name, facts in known.items()}

    assert {name: (facts["rows"], facts["sha256"]) for name, facts in known.items()} == {
        name: (receipt.rows, receipt.sha256) for name, receipt in found.items()
    }


def test_its_model_answers_and_new_rows_join_the_old_ones(
    kept: Any, wait: Any, tmp_path: Path
) -> None:
    """The version that was champion; what is imported now is of the same shape."""
    wait(lambda: {PIPELINE: "2"} == kept.json("status", ok=False)["versions"])
    kept.cli("apply", PIPELINE)  # from this repository: that of then isn't there any more
    lines = kept.cli("example", PIPELINE, "-n", "5", home=False).stdout.splitlines()
    (tmp_path / "more.ndjson").write_text("\n".join(lines).replace('"sample": "', '"sample": "m'))
    kept.cli("import", PIPELINE, str(tmp_path / "more.ndjson"), "--wait")

    assert 533 == kept.json("balance")["rows"][PIPELINE]["featured"]
    assert 0 == kept.cli("audit", "verify").returncode
