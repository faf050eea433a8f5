"""`mlplatform.connect()` on a real data API: datasets, labels, history, versions, trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mlplatform
from mlplatform.client.platform_client import PlatformClient
from mlplatform.errors import PlatformError, Refused, Unauthenticated, Unavailable, UnknownName

ROWS = [{"width": float(each), "colour": "red" if each % 2 else None} for each in range(50)]
FAILS = """
import json
print(json.dumps({"level": "error", "error": "it is not proposed: roc_auc 0.6 is below 0.9"}))
raise SystemExit(1)
"""
BLOCKED = """
import sys
for name in ("pyarrow", "pandas", "polars", "mlflow", "psycopg", "sklearn", "onnxruntime"):
    sys.modules[name] = None
import mlplatform
with mlplatform.connect(sys.argv[1], token=sys.argv[2]) as platform:
    found = platform.label("manual-one", [{"request_id": sys.argv[3], "label": "rose"}])
    print(found.accepted, platform.import_rows("manual-one", [{"width": 1.0}]).accepted)
    try:
        platform.dataset("manual-one.training")
    except mlplatform.errors.SettingsError as error:
        print(error.fix)
"""


@pytest.fixture
def platform(api: Any) -> Iterator[PlatformClient]:
    """A client that may do everything."""
    with mlplatform.connect(api.url, token=api.token("admin")) as platform:
        yield platform


def requests(api: Any) -> list[tuple[str, int]]:
    """The stored requests and how many rows each has, in order."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute(
            "SELECT request_id::text, rows FROM raw.requests ORDER BY log_offset"
        )
        return [(name, rows) for name, rows in found.fetchall()]


def test_a_dataset_is_the_same_in_every_frame(api: Any, platform: PlatformClient) -> None:
    """Pandas and Arrow hold the rows that the receipt counts; its mark gives them again."""
    sent = platform.import_rows("manual-one", pd.DataFrame(ROWS))
    api.featurise("manual-one")
    found = platform.dataset("manual-one.features", columns=["width", "colour"])
    platform.import_rows("manual-one", [{"width": 99.0}])
    api.featurise("manual-one")
    again = platform.dataset(
        "manual-one.features", columns=["width", "colour"], as_of=found.receipt.as_of
    )

    assert (50, 50, 50) == (sent.accepted, len(found), found.receipt.rows)
    assert ("standby", found.receipt.sha256) == (found.receipt.server_role, again.receipt.sha256)
    assert found.to_arrow().equals(pa.Table.from_pandas(found.to_pandas(), found.table.schema))
    by_width = sorted(found.to_arrow().to_pylist(), key=lambda row: row["width"])
    assert ROWS == by_width
    assert 51 == len(platform.dataset("manual-one.features"))


def test_the_same_rows_are_stored_once(api: Any, platform: PlatformClient, tmp_path: Path) -> None:
    """A frame, a list and a file that are sent again add nothing; each is one request."""
    pq.write_table(pa.Table.from_pylist(ROWS[:3]), tmp_path / "a.parquet")
    for rows in (pd.DataFrame(ROWS), ROWS[:7], str(tmp_path / "*.parquet")):
        assert platform.import_rows("manual-one", rows) == platform.import_rows("manual-one", rows)

    assert [50, 7, 3] == [rows for _, rows in requests(api)]


def test_labels_come_in_frames_and_files(
    api: Any, platform: PlatformClient, tmp_path: Path
) -> None:
    """What is refused is named by its place; the same labels again change nothing."""
    platform.import_rows("manual-one", ROWS[:3])
    ((one, _),) = requests(api)
    frame = pd.DataFrame({"request_id": [one, one], "row": [0, 1], "label": ["rose", "tulip"]})
    found = platform.label("manual-one", frame)
    file = tmp_path / "labels.csv"
    file.write_text(f"request_id,row,label\n{one},0,rose\n{one},2,daisy\n")
    filed = [platform.label("manual-one", file) for _ in range(2)]

    assert (1, [(1, "label")]) == (found.accepted, [(r.index, r.field) for r in found.refused])
    assert [(2, []), (2, [])] == [(each.accepted, each.refused) for each in filed]
    with api.databases.connect("dataapi", "warehouse") as connection:
        stored = connection.execute(
            "SELECT request_id::text, row, text FROM warehouse.labels"
        ).fetchall()
    assert {(one, 0, "rose"), (one, 2, "daisy")} == set(stored)
    assert 2 == len(stored)


def test_labels_from_the_command_line(api: Any, tmp_path: Path) -> None:
    """`mlplatform label` sends a file; refusals are named by record, and are its exit code."""
    api.send("manual-one", ROWS[:2])
    ((one, _),) = requests(api)
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    good.write_text(json.dumps({"request_id": one, "row": 1, "label": "rose"}) + "\n")
    bad.write_text(
        good.read_text() + json.dumps({"request_id": one, "row": 5, "label": "rose"}) + "\n"
    )

    def label(*files: Path) -> tuple[int, str]:
        words = [word for each in files for word in ("--file", str(each))]
        done = subprocess.run(
            [sys.executable, "-m", "mlplatform", "label", "manual-one", *words],
            env={
                "MLPLATFORM_DATAAPI__URL": api.url,
                "MLPLATFORM_DATAAPI__TOKEN": api.token("writer"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert (0, "1 labels accepted\n") == label(good)
    code, said = label(good, bad)
    assert 1 == code
    assert "2 labels accepted" in said
    assert "record 2: row: the request has 2 rows" in said


def test_the_core_package_is_enough(api: Any) -> None:
    """Labels and rows need no library of an extra; a dataset says which one it needs."""
    api.send("manual-one", ROWS[:1])
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, api.url, api.token("admin"), requests(api)[0][0]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 1\npip install 'mlplatform[files]'\n" == done.stdout, done.stderr


def test_errors_say_what_to_do(api: Any, platform: PlatformClient) -> None:
    """An unknown pipeline, a wrong token, nothing to approve, a platform that is away."""
    with pytest.raises(UnknownName, match="no-such"):
        platform.dataset("no-such.training")
    with pytest.raises(Refused, match="waits for approval"):
        platform.approve("manual-one", why="it looks good")
    with (
        mlplatform.connect(api.url, token="wrong") as wrong,
        pytest.raises(Unauthenticated) as told,
    ):
        wrong.status("manual-one")
    assert "token" in told.value.fix
    with mlplatform.connect("http://127.0.0.1:1") as away, pytest.raises(Unavailable) as gone:
        away.models("manual-one")
    assert "mlplatform status" in gone.value.fix


def test_a_failed_training_says_why(
    start: Callable[..., Any], databases: Any, tmp_path: Path
) -> None:
    """`follow` raises what the run said last; without it the run is there at once."""
    api = start(databases, tmp_path, argv=(sys.executable, "-c", FAILS))
    with mlplatform.connect(api.url, token=api.token("admin")) as platform:
        with pytest.raises(PlatformError, match=r"not proposed: roc_auc 0\.6 is below 0\.9"):
            platform.train("manual-one", follow=True)
        run = platform.train("manual-one", why="again")

    assert "manual-one" == run.pipeline
    assert ("again", "admin", "waiting") == (run.reason, run.caller, run.state)
