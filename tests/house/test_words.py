"""One word per thing: retired words stand nowhere, and a class name stands once."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from mlplatform.cli.main import application

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mlplatform"

NAMES = {
    "ask": "request",
    "books": "audit",
    "door": "admission",
    "front": "prediction app",
    "journal": "recorder, timer",
    "knobs": "settings",
    "knock": "refused",
    "learnt": "trained model",
    "lonely": "idle",
    "look": "inspect, view, read",
    "patience": "retry, time limit",
    "patiently": "retry",
    "question": "request",
    "road": "loop, tour, partition, way",
    "roads": "partitions",
    "told": "describe, reporting",
    "wish": "request",
    "works": "context",
}
"""Words that no file, class, function, argument or variable may bear, with what we say instead."""

PHRASES = {
    r"\broads?\b": "loop, tour, partition or way",
    r"\bjournals?\b": "recorder",
    r"\bknobs?\b": "setting",
    r"\bknock(s|ed|ing)?\b": "refused request",
    r"\bbooks\b": "audit log",
    r"\bdoors?\b": "admission, entrance, API",
    r"\blearnt\b": "learned, trained",
    r"\blonely\b": "single, idle",
    r"\bin company\b": "in a batch",
    r"\blooks? on\b|\blooking on\b|\bonlookers?\b": "watch",
    r"\bnot spoken\b": "not supported",
    r"\bforesaw\b": "unexpected error",
    r"\bis no (UUID|UTF-8|JSON|number|time|bool|boolean|string|list|object|date|integer|text)\b": (
        "is not a …"
    ),
    r"\bwish(es|ed)?\b": "request",
    r"\bpatience\b|\bpatiently\b": "time limit, retry",
}
"""Words and phrases that no text of ours may hold, with what we say instead."""

KEPT = {
    "requests_road": "an index: migrations are not rewritten",
    "--road/--no-road": "an option that is refused with its new name",
    "`--road`": "the same",
    "road.json": "the file of a home that an earlier version made",
    "`knock`": "the action of earlier entries of the ledger",
    "journal entry": "of a file system",
    "look_up": "a verb of its own",
}
"""What holds a retired word and stays, with the reason. It is cut out before the search."""

TWICE = {"Collaborators": "what each application is built from"}
"""Class names that may stand twice, with the reason."""


def _parts(name: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return set(spaced.lower().split("_"))


def _identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _without_kept(text: str) -> str:
    for name in KEPT:
        text = text.replace(name, "")
    return text


def retired_names(path: str, text: str) -> list[str]:
    """What bears a retired name in a Python file: "path: name (say …)"."""
    found = {*_identifiers(ast.parse(text)), Path(path).stem}
    return sorted(
        f"{path}: {name} (say {NAMES[part]})"
        for name in found
        for part in _parts(_without_kept(name)) & NAMES.keys()
    )


def retired_phrases(path: str, text: str) -> list[str]:
    """Where a text says a retired word: "path:line: word (say …)"."""
    text = _without_kept(text)
    return [
        f"{path}:{number}: {match.group()} (say {instead})"
        for number, line in enumerate(text.splitlines(), 1)
        for phrase, instead in PHRASES.items()
        for match in re.finditer(phrase, line, re.IGNORECASE)
    ]


def classes_twice(texts: dict[str, str]) -> dict[str, list[str]]:
    """Class names that more than one place defines, and where."""
    places = defaultdict(list)
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    return {name: found for name, found in places.items() if len(found) > 1}


def _sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in SOURCE.rglob("*.py")}


def _texts() -> dict[str, str]:
    done = subprocess.run(
        [
            "git",
            "ls-files",
            "src",
            "charts",
            "docs",
            "k8s",
            "pipelines",
            "tools",
            "*.md",
            "Makefile",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        name: (ROOT / name).read_text()
        for name in done.stdout.split()
        if (ROOT / name).is_file() and "migrations/" not in name and not name.endswith(".binpb")
    }


def _help(command: typer.core.TyperCommand, words: tuple[str, ...]) -> dict[str, str]:
    said = {
        " ".join(words): " ".join(
            [command.help or "", *(getattr(each, "help", "") or "" for each in command.params)]
        )
    }
    for name, below in getattr(command, "commands", {}).items():
        said |= _help(below, (*words, name))
    return said


def test_names_are_the_fields_own() -> None:
    """No file, class, function, argument or variable of the package bears a retired word."""
    found = [line for path, text in _sources().items() for line in retired_names(path, text)]

    assert [] == found


def test_texts_say_what_the_field_says() -> None:
    """No comment, message, template or page says a retired word."""
    found = [line for path, text in _texts().items() for line in retired_phrases(path, text)]

    assert [] == found


def test_help_says_what_the_field_says() -> None:
    """No help text of the command line says a retired word."""
    said = _help(get_command(application([])), ("mlplatform",))
    found = [line for words, text in said.items() for line in retired_phrases(words, text)]

    assert "balance" in str(list(said))
    assert [] == found


def test_a_class_name_stands_once() -> None:
    """Who reads a class name knows which class is meant."""
    found = classes_twice(_sources())

    assert {} == {name: places for name, places in found.items() if name not in TWICE}
    assert set() == TWICE.keys() - found.keys()


@pytest.mark.parametrize(
    "text",
    [
        "class Road: ...",
        "def _look_around(): ...",
        "told = 1",
        "def run(works): ...",
        "self.journal = 1",
    ],
)
def test_a_retired_name_is_found(text: str) -> None:
    """Classes, functions, variables, arguments and attributes are searched."""
    assert 1 == len(retired_names("sample.py", text))


def test_the_name_of_a_file_is_searched() -> None:
    """A module is named by the same words as what it holds."""
    assert ["trainer/road.py: road (say loop, tour, partition, way)"] == retired_names(
        "trainer/road.py", ""
    )


@pytest.mark.parametrize(
    "text",
    ["the Road goes on", "gRPC is not spoken here", "'x' is no UUID", "a lonely row, in company"],
)
def test_a_retired_phrase_is_found(text: str) -> None:
    """Phrases are found in whatever case, with their line."""
    found = retired_phrases("page.md", f"\n{text}\n")

    assert found
    assert all(line.startswith("page.md:2: ") for line in found)


def test_kept_names_are_no_finding() -> None:
    """What can't be renamed is left alone; its neighbours are not."""
    assert [] == retired_phrases("a.sql", "CREATE INDEX requests_road ON raw.requests")
    assert [] == retired_phrases("a.py", "a broadcast on the roadmap works")
    assert [] == retired_names("a.py", "def look_up(): ...")


def test_a_class_that_stands_twice_is_found() -> None:
    """Nested classes count, too."""
    found = classes_twice({"a.py": "class A: ...", "b.py": "class B:\n    class A: ..."})

    assert {"A": ["a.py", "b.py"]} == found
