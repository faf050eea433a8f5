from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlplatform.cli import main
from mlplatform.errors import PlatformError

COMMANDS = (
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

    assert code == 0
    assert [command for command in COMMANDS if f" {command} " not in text] == []


def test_help_loads_nothing_heavy() -> None:
    """`--help` answers at once since no library of a component is loaded for it."""
    code = "import sys; from mlplatform.cli import main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert [name for name in HEAVY if name in done.stdout.split()] == []


def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An error of ours names the field, says what to do, and shows no traceback; nothing of it is on stdout."""
    monkeypatch.chdir(tmp_path)
    code = run(monkeypatch, "predict", "diabetes", "--row", "{}")
    out, err = capsys.readouterr()

    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "error: --home: there is no local stack here"
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

    assert code == 1
    assert "MLPLATFORM_DATAAPI__ULR" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--version",), ("tokens", "--help"), ("backup", "--help")])
def test_words_that_need_no_platform(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Version and help work anywhere."""
    assert run(monkeypatch, *words) == 0
