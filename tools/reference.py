"""Write docs/reference/{settings,metrics,errors}.md from the code.

With --check, print what is stale and exit 1.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from mlplatform import errors, settings, telemetry
from mlplatform.web import problem

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by `make docs` from the code; edit there. -->\n\n"
SETTINGS = """\
Read once at start from the environment, or from files of the same lower-case name in the folder
that `MLPLATFORM_SECRETS_DIR` names. An unknown name with this prefix is refused. Lists are JSON, or
names with commas between them. Times are seconds, sizes are bytes, unless the name says otherwise.
"""
METRICS = """\
Every process shows them on `/metrics`. Histograms of seconds have buckets from 1 ms to 2 min.

| metric | kind | labels | meaning |
|---|---|---|---|
"""
ERRORS = """\
Errors travel as `application/problem+json` (RFC 9457) with `type`, `detail`, `field`, `fix`, and
`retry_after_s` where a retry makes sense.

| type | HTTP | meaning |
|---|---|---|
"""


def _default(info: Any) -> str:
    value = info.default
    if value is None or value in ("", ()):
        return "empty"
    return "`" + (", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) + "`"


def settings_page() -> str:
    """One table per group, one line per setting."""
    parts = ["# Settings\n\n", MADE, SETTINGS]
    group = ""
    for name, (this, _, info) in settings.fields().items():
        if this != group:
            group = this
            kind = settings.Settings.model_fields[group].annotation
            parts.append(f"\n## {group}\n\n{inspect.getdoc(kind) or ''}\n\n")
            parts.append("| setting | default | meaning |\n|---|---|---|\n")
        parts.append(f"| `{name}` | {_default(info)} | {info.description} |\n")
    return "".join(parts)


def metrics_page() -> str:
    """The catalogue as a table."""
    rows = [
        f"| `mlplatform_{name}` | {line.kind} | "
        f"{', '.join(line.labels) or '–'} | {line.meaning} |\n"
        for name, line in telemetry.CATALOGUE.items()
    ]
    return "# Metrics\n\n" + MADE + METRICS + "".join(rows)


def errors_page() -> str:
    """Each problem type with its HTTP code."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PlatformError)
    ]
    rows = [
        f"| `{problem.TYPE}{kind.__name__}` | {problem.status(kind(''))} | {_summary(kind)} |\n"
        for kind in kinds
    ]
    return "# Errors\n\n" + MADE + ERRORS + "".join(rows)


def _summary(kind: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def main() -> int:
    """Write or compare the pages."""
    pages = {
        "settings.md": settings_page(),
        "metrics.md": metrics_page(),
        "errors.md": errors_page(),
    }
    stale = [
        name
        for name, text in pages.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/reference/{name} is stale: run `make docs`")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
