"""What the defaults install, word for word: a change of it is seen in review.

`UPDATE=1 pytest tests/chart/test_snapshot.py` renews it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml
from chart_rendering import files, objects_in

SNAPSHOT = Path(__file__).parent / "snapshots" / "default.yaml"


def test_defaults_are_the_snapshot() -> None:
    """The objects of the default values are those that were reviewed."""
    found = sorted(
        objects_in(files("default")), key=lambda each: (each["kind"], each["metadata"]["name"])
    )
    for each in found:
        if each["kind"] == "Secret":
            each["data"] = dict.fromkeys(each["data"], "…")  # made anew with each rendering
    text = re.sub(
        r"apply-[0-9a-f]{8}",
        "apply-00000000",
        yaml.safe_dump_all(found, width=140, allow_unicode=True),
    )
    if os.environ.get("UPDATE"):
        SNAPSHOT.write_text(text)

    assert SNAPSHOT.read_text() == text
