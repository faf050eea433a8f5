from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlplatform.cli import commands, main
from mlplatform.cli.lazy import LazyCommand
from mlplatform.errors import PlatformError

NAMES = (
    *(
        "up",
        "down",
        "demo",
        "status",
        "logs",
        "clean",
        "doctor",
        "check",
        "backup",
        "tokens",
        "migrate",
        "apply",
        "train",
        "example",
    ),
    *("predict", "import", "balance", "models", "approve", "promote", "rollback", "reject"),
    *("dataapi", "serving", "shipper", "consumer", "etl", "trainer", "mlflow", "backup-run"),
)
HEAVY = (
    "mlflow",
    "pandas",
    "sklearn",
    "pyarrow",
    "psycopg",
    "sqlalchemy",
    "fastapi",
    "httpx",
    "numpy",
    "onnxruntime",
    "pydantic",
    "rich.table",
)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["mlplatform", *words])
    with pytest.raises(SystemExit) as ended:
        main.run()
    return int(ended.value.code or 0)


def test_help_lists_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` names all commands, each with its sentence."""
    code = run(monkeypatch, "--help")
    text = capsys.readouterr().out

    assert 0 == code
    assert [] == [command for command in NAMES if f" {command} " not in text]


@pytest.mark.parametrize("command", commands.COMMANDS, ids=lambda command: command.name)
def test_a_sentence_of_the_overview_begins_the_commands_help(command: LazyCommand) -> None:
    """Each listed command is there, and both places say the same of it."""
    loaded = command.load()

    assert loaded.name == command.name
    assert " ".join(loaded.help.split("\n\n")[0].split()) == command.sentence


LOADED = "print(*sys.modules, file=sys.stderr)"


@pytest.mark.parametrize(
    ("ending", "light"),
    [
        (LOADED, ()),
        # Typer lays its help out with the library's tables.
        (
            f"atexit.register(lambda: {LOADED}); sys.argv[1:] = ['--help']; main.run()",
            ["rich.table"],
        ),
    ],
)
def test_help_loads_nothing_heavy(ending: str, light: Sequence[str]) -> None:
    """`--help` answers at once since no library of a component is loaded for it, nor a command."""
    code = f"import atexit, sys; from mlplatform.cli import main; {ending}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()

    assert [] == [name for name in HEAVY if name in loaded and name not in light]
    assert "mlplatform.cli.up" not in loaded


def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An error of ours names field and fix, without traceback; nothing of it is on stdout."""
    monkeypatch.chdir(tmp_path)
    code = run(monkeypatch, "predict", "diabetes", "--row", "{}")
    out, err = capsys.readouterr()

    assert (1, "") == (code, out)
    assert "error: --home: there is no local stack here" == err.splitlines()[0]
    assert "mlplatform up" in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With --debug, wherever it stands, the error comes through whole."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlplatform", "balance", "--debug"])

    with pytest.raises(PlatformError):
        main.run()


def test_unknown_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt variable is an error that names it, not a default."""
    monkeypatch.setenv("MLPLATFORM_DATAAPI__ULR", "http://x")
    code = run(monkeypatch, "balance")

    assert 1 == code
    assert "MLPLATFORM_DATAAPI__ULR" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--version",), ("tokens", "--help"), ("backup", "--help")])
def test_words_that_need_no_platform(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Version and help work anywhere."""
    assert 0 == run(monkeypatch, *words)
