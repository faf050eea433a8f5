from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.cli.tail import Tail, print_logs


def test_tail_goes_on_where_it_was(tmp_path: Path) -> None:
    """Each look brings the whole lines that are new, and a half line only once it is whole."""
    log = tmp_path / "a.log"
    log.write_text("1\n2\n3\n")
    tail = Tail(log)

    assert ["2", "3"] == tail.last(2)
    with log.open("a") as file:
        file.write("4\nhal")
    assert ["4"] == tail.new()
    with log.open("a") as file:
        file.write("f\n")
    assert ["half"] == tail.new()


def test_tail_follows_a_new_file(tmp_path: Path) -> None:
    """A log that was emptied or replaced by a restart is read from its beginning."""
    log = tmp_path / "a.log"
    log.write_text("old and long\n")
    tail = Tail(log)
    tail.last(1)
    log.write_text("new\n")

    assert ["new"] == tail.new()
    log.rename(tmp_path / "a.log.1")
    assert [] == tail.new()
    log.write_text("another\n")
    assert ["another"] == tail.new()


def test_names_stand_in_front_of_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of several logs say whose they are; one log is printed as it is."""
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "long.log").write_text("y\n")
    print_logs({"a": tmp_path / "a.log", "long": tmp_path / "long.log"}, lines=5, follow=False)
    print_logs({"a": tmp_path / "a.log"}, lines=5, follow=False)

    assert "a    | x\nlong | y\nx\n" == capsys.readouterr().out
