"""`mlplatform import` as a child process, on a real data API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from slow_store import stored_slowly

ROWS = 400_000


def command(api: Any, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
    """The command, as a caller with the role writer."""
    environment = {
        **os.environ,
        "MLPLATFORM_DATAAPI__URL": api.url,
        "MLPLATFORM_DATAAPI__TOKEN": api.token("writer"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mlplatform", "import", "manual-one", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def rows_stored(api: Any) -> int:
    """How many, without reading them: an import takes seconds."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute("SELECT coalesce(sum(rows), 0) FROM raw.requests").fetchall()
    return int(found[0][0])


def widths(api: Any) -> list[float]:
    """What is stored, in order."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute(
            "SELECT json_array_elements_text(inputs -> 'width')::float FROM raw.requests"
            " ORDER BY log_offset"
        ).fetchall()
    return [row[0] for row in found]


def test_after_ctrl_c_the_same_command_goes_on(api: Any, tmp_path: Path, wait: Any) -> None:
    """SIGINT ends it with how far it was; the second run stores the rest, and nothing twice."""
    file = tmp_path / "history.parquet"
    pq.write_table(pa.table({"width": [float(each) for each in range(ROWS)]}), file)
    with stored_slowly(api.databases), command(api, file) as first:
        wait(lambda: rows_stored(api) > 20_000)
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=60)[1]
    between = len(widths(api))
    with command(api, file) as second:
        out, _ = second.communicate(timeout=240)

    assert 130 == first.returncode, said
    assert "rows; the same command goes on from there" in said
    assert 20_000 <= between < ROWS
    assert (0, f"{ROWS:,} rows accepted; etl will check them\n") == (second.returncode, out)
    assert [float(each) for each in range(ROWS)] == widths(api)


def test_files_of_a_pattern_and_standard_input(api: Any, tmp_path: Path) -> None:
    """A quoted pattern stands for its files, in order; `-` with --format for standard input."""
    for number in (2, 0, 1):
        table = pa.table({"width": [float(number)]})
        pq.write_table(table, tmp_path / f"part-{number}.parquet")
    with command(api, tmp_path / "part-*.parquet") as files:
        out, _ = files.communicate(timeout=60)
    with (tmp_path / "part-2.parquet").open("rb") as stdin:
        repeated = command(api, "-", "--format", "parquet", stdin=stdin)
        repeated.communicate(timeout=60)
    with command(api, "-", "--format", "csv", stdin=subprocess.PIPE) as lines:
        lines.communicate("width\n3\n", timeout=60)

    assert (0, "3 rows accepted; etl will check them\n") == (files.returncode, out)
    assert (0, 0) == (repeated.returncode, lines.returncode)
    assert [0.0, 1.0, 2.0, 3.0] == widths(api)
