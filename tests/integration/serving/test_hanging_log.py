"""A serving process whose log can't be written: its disk hangs, or nobody reads the pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def test_a_log_that_hangs_changes_no_answer(
    serve: Any, scene: Any, platform: Any, tmp_path: Path
) -> None:
    """It gets ready, answers, keeps what it answered row by row, warns into nowhere, and ends."""
    platform.promote(platform.publish("ward", "1"))
    os.mkfifo(tmp_path / "serving.log")
    reader = os.open(tmp_path / "serving.log", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "serving.log", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass  # it is full, and stays so
    child = serve("ward", TELEMETRY__LOG_LEVEL="debug")
    scene.until(lambda: child.page("/readyz", 200))
    asked = [scene.rows(1, seed=number) for number in range(30)]
    answered = [child.predict("ward", rows).json() for rows in asked]
    platform.away = True  # from now on it warns
    later = [child.predict("ward", rows) for rows in asked]
    health = child.http.get("/healthz").status_code
    code = child.stop()
    os.close(writer)
    os.close(reader)

    assert 200 == health
    assert [200] * 30 == [answer.status_code for answer in later]
    assert 0 == code
    kept = [record.request_id for record in child.records()]
    told = [answer["id"] for answer in (*answered, *(answer.json() for answer in later))]
    assert told == kept
