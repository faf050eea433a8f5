"""The end of `mlplatform up`: what there is to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.cli import summary
from mlplatform.local.tour.summary import PipelineSummary, Summary

ROOT = Path(__file__).parents[3]


def _shown(capsys: pytest.CaptureFixture[str], *pipelines: PipelineSummary) -> str:
    summary.show(Summary(pipelines={each.name: each for each in pipelines}), home=Path("home"))
    return capsys.readouterr().out


def test_the_tour_ends_with_the_way_to_own_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever saw the examples reads the command for a table of theirs, and a page that exists."""
    out = _shown(capsys, PipelineSummary("diabetes", versions=["1"]))

    assert f"mlplatform new NAME --from FILE --target COLUMN    ({summary.OWN_DATA})" in out
    assert "try       mlplatform predict diabetes" in out
    assert (ROOT / summary.OWN_DATA).is_file()


def test_a_pipeline_without_a_version_shows_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It can't predict yet."""
    out = _shown(capsys, PipelineSummary("wines"))

    assert "try       mlplatform import wines FILE --wait, then mlplatform train wines" in out
    assert summary.OWN_DATA not in out
