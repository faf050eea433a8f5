"""What the documents promise is what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mlplatform import settings, telemetry

ROOT = Path(__file__).parents[2]


def test_reference_pages_are_fresh() -> None:
    """The settings and metrics pages are generated from the code and not stale."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_documents_name_real_settings() -> None:
    """A setting that any document names exists."""
    known = set(settings.fields()) | {settings.SECRETS_DIR}
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
        for name in re.findall(r"MLPLATFORM_[A-Z_]+", path.read_text())
    }

    assert {
        (path, name) for path, name in named if name not in known and not name.endswith("_")
    } == set()


def test_documents_name_real_metrics() -> None:
    """A metric that any document names is in the catalogue."""
    known = {f"mlplatform_{name}" for name in telemetry.CATALOGUE}
    roles = {
        "mlplatform_owner",
        "mlplatform_consumer",
        "mlplatform_etl",
        "mlplatform_dataapi",
        "mlplatform_reader",
        "mlplatform_mlflow",
        "mlplatform_backup",
    }
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
        for name in re.findall(r"\bmlplatform_[a-z_]+[a-z]\b", path.read_text())
    }

    assert {
        (path, name)
        for path, name in named
        if name not in known | roles and not re.match(r"mlplatform_[a-z]+__", name)
    } == set()


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links of README and docs point at files that exist."""
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text())
        if not (path.parent / target).exists()
    ]

    assert broken == []


def test_readme_is_short() -> None:
    """The README is a door, not the manual: 150 lines at most, with the first command in the first 40."""
    lines = (ROOT / "README.md").read_text().splitlines()

    assert len(lines) <= 150
    assert any("make up" in line for line in lines[:40])
    assert any("make test" in line for line in lines[:40])
