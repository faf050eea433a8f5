from __future__ import annotations

import pytest

from mlplatform.cli.findings import Finding, show


def test_a_finding_is_a_line_and_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    """Words with brackets are printed as they are; what to do stands below."""
    show([Finding("disk", "ok", "9 [GiB]"), Finding("kafka", "missing", "no java", "install it")])

    assert [
        "ok      disk: 9 [GiB]",
        "missing kafka: no java",
        "        → install it",
    ] == capsys.readouterr().out.splitlines()
