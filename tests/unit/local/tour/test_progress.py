"""What a tour remembers in its home."""

from __future__ import annotations

from pathlib import Path

from mlplatform.local.tour.progress import Progress


def test_a_finished_step_is_remembered(tmp_path: Path) -> None:
    """A second start knows what the first has done, and of which pipeline."""
    Progress(tmp_path).set("history", "diabetes")

    assert Progress(tmp_path).done("history", "diabetes")
    assert not Progress(tmp_path).done("history", "breast-cancer")


def test_a_home_made_under_the_former_name_goes_on(tmp_path: Path) -> None:
    """The file was called road.json: a stack from then imports nothing a second time."""
    (tmp_path / "road.json").write_text('["history/diabetes", "whole"]\n')

    assert Progress(tmp_path).done("whole")
    assert Progress(tmp_path).done("history", "diabetes")
    assert ["tour.json"] == [file.name for file in tmp_path.iterdir()]


def test_the_former_file_never_replaces_a_newer_one(tmp_path: Path) -> None:
    """When both are there, say from a copied home, what the present version wrote counts."""
    (tmp_path / "road.json").write_text("[]\n")
    (tmp_path / "tour.json").write_text('["whole"]\n')

    assert Progress(tmp_path).done("whole")
