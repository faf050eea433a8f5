"""What the documents promise is what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlplatform import settings, telemetry

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("tests/*/README.md")),
    *sorted(ROOT.glob("k8s/*/README.md")),
    ROOT / "charts" / "mlplatform" / "README.md",
]
ROLES = {
    f"mlplatform_{name}"
    for name in ("owner", "consumer", "etl", "dataapi", "reader", "mlflow", "backup")
}
"""Database roles: the other names that begin as metrics do."""
TOPIC = "`mlplatform.requests`"
"""The default topic, which looks like a module."""
PARTS_OF_A_DECISION = ("Context", "Options", "Choice", "Cost", "What would change our mind")


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page to files that don't exist, or to headings that a page lacks."""
    found = []
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)\s]*)?\)", text):
        there = page.parent / target
        if not there.exists():
            found.append(target)
        elif anchor and anchor[1:] not in headings(there.read_text() if target else text):
            found.append(target + anchor)
    return found


def headings(text: str) -> set[str]:
    """The anchors of a page's headings."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def missing_files(text: str) -> list[str]:
    """Paths in backticks that look like ours and don't exist: files, folders, and modules."""
    named = re.findall(r"`((?:src|tests|tools|docs|charts|k8s|pipelines)/[\w./-]*)`", text)
    modules = re.findall(r"`mlplatform((?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?`", text.replace(TOPIC, ""))
    return [
        *(path for path in named if not (ROOT / path).exists()),
        *(f"mlplatform{name}" for name in modules if not _is_code(name[1:].split("."))),
    ]


def _is_code(parts: list[str]) -> bool:
    """Whether a dotted name is a module, or something that its last module defines."""
    source = ROOT / "src" / "mlplatform"
    for end in (len(parts), len(parts) - 1):
        folder = source.joinpath(*parts[:end])
        for module in (folder.with_suffix(".py"), folder / "__init__.py"):
            if module.exists() and (end == len(parts) or parts[-1] in module.read_text()):
                return True
    return False


def _named(pattern: str) -> Iterator[tuple[str, str]]:
    """Every (page, name) that matches."""
    for page in PAGES:
        for name in re.findall(pattern, page.read_text()):
            yield str(page.relative_to(ROOT)), name


def test_reference_pages_are_fresh() -> None:
    """The generated pages are what the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_documents_name_real_settings() -> None:
    """A setting that any document names exists."""
    known = set(settings.fields()) | {settings.SECRETS_DIR}
    found = {each for each in _named(r"MLPLATFORM_[A-Z_]+") if not each[1].endswith("_")}

    assert set() == {(page, name) for page, name in found if name not in known}


def test_documents_name_real_metrics() -> None:
    """A metric that any document names is in the catalogue."""
    known = ROLES | {f"mlplatform_{name}" for name in telemetry.CATALOGUE}
    found = set(_named(r"\bmlplatform_[a-z_]+[a-z]\b"))

    assert set() == {
        (page, name)
        for page, name in found
        if name not in known and not re.match(r"mlplatform_[a-z]+__", name)
    }


def test_documents_name_real_targets() -> None:
    """`make something` in a document is a target of the Makefile."""
    makefiles = "".join((ROOT / name).read_text() for name in ("Makefile", "k8s/kind.mk"))
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefiles, re.MULTILINE))
    found = set(_named(r"(?m)(?:`|\$ |^)make ([a-z][a-z-]*)(?=[`;]|  |$)"))

    assert {"up", "test", "docs", "chart-docs"} <= {name for _, name in found}
    assert set() == {(page, name) for page, name in found if name not in targets}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    """Links point at files and headings that exist, and so do paths and modules in the text."""
    text = page.read_text()

    assert ([], []) == (broken_links(page, text), missing_files(text))


def test_the_clients_that_serving_is_tried_with_are_listed() -> None:
    """The page on dialects names the very versions that the conformance tests install."""
    lines = (ROOT / "docs" / "reference" / "dialects.md").read_text().splitlines()
    files = sorted((ROOT / "tests" / "conformance" / "requirements").glob("*.txt"))
    pins = [
        re.findall(rf"(?m)^({path.stem}[a-z-]*)(?:\[.*\])?==(\S+)", path.read_text())[0]
        for path in files
    ]

    assert dict.fromkeys(pins, 1) == {
        pin: sum(f"`{pin[0]}`" in line and f"| {pin[1]} |" in line for line in lines)
        for pin in pins
    }


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links every page: a page that nobody finds is not read."""
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target).resolve()
        for target in re.findall(r"\]\(([^)#:\s]+)\)", index.read_text())
    }

    assert [] == [
        str(page) for page in ROOT.glob("docs/**/*.md") if page not in linked and page != index
    ]


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda page: page.stem
)
def test_a_decision_is_whole(page: Path) -> None:
    """It says what was decided, against what, at what cost, and when to decide again."""
    text = page.read_text()

    assert re.match(r"\d{4}-\d{2}-\d{2}-[a-z-]+$", page.stem)
    assert [] == [part for part in PARTS_OF_A_DECISION if f"**{part}.**" not in text]


def test_the_tour_knows_every_folder() -> None:
    """CONTRIBUTING.md has a line for each folder of the package, and names no file that is gone."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    package = ROOT / "src" / "mlplatform"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    named = re.findall(rf"`((?:{'|'.join(folders)})/[\w./]+)`", text)

    assert set() == {name for name in folders if f"`{name}/`" not in text}
    assert [] == [name for name in named if not (package / name).exists()]


def test_readme_is_short() -> None:
    """The README is not the manual: 150 lines at most, and the first command in the first 40."""
    lines = (ROOT / "README.md").read_text().splitlines()

    assert len(lines) <= 150
    assert any("make up" in line for line in lines[:40])
    assert any("make test" in line for line in lines[:40])


def test_a_broken_link_is_found() -> None:
    """Files, and headings of this page and of others."""
    page = ROOT / "docs" / "README.md"
    text = (
        "# A title, here\n[a](start/local.md) [b](#a-title-here) [c](https://a.b/c)\n"
        "[d](nowhere.md) "
        "[e](start/local.md#nothing) [f](#nothing) [g](start/local.md#ports)"
    )

    assert ["nowhere.md", "start/local.md#nothing", "#nothing"] == broken_links(page, text)


def test_a_missing_path_is_found() -> None:
    """Paths, modules, and names in modules."""
    text = (
        "`src/mlplatform/errors.py` `tests/house` `tests/houses` `mlplatform.errors.Refused` "
        "`mlplatform.nothing` `mlplatform.outbox` `mlplatform.client.dataset.download`"
    )

    assert ["tests/houses", "mlplatform.nothing"] == missing_files(text)
