"""YAML that people write: read in one way only, and refused with its line where that is not sure.

YAML 1.1 and 1.2 read some plain words differently (`no`, `010`, `12:30`), and most readers let the
last of two equal keys win. `read` refuses those. Numbers of YAML 1.2 (`1e-2`) are numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mlplatform.errors import InvalidInput

Path = Sequence[str | int]
"""Keys and list indexes from the document down to a value."""
_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"yes", "on"})
_SURPRISING = re.compile(r"[-+]?0[0-9_]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*(:[0-9_.]+)+")
"""Octal, binary and base-60 numbers of YAML 1.1."""


class _Loader(yaml.SafeLoader):
    """PyYAML's reader of YAML 1.1, with the numbers of YAML 1.2: 1e-2 needs no point."""


_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class YamlDocument:
    """A YAML document that knows its lines. `where` is the file's name in messages."""

    where: str
    content: Any
    root: yaml.Node | None

    def place(self, path: Path) -> str:
        """File and line of the value at `path`, or of the last part of it that is there."""
        line = _line(self.root, path) if self.root and path else 0
        return f"{self.where}, line {line}" if line else self.where


def place(where: str | YamlDocument, path: Path) -> str:
    """Where a value stands: with its line, when the document is known and not only its name."""
    return where if isinstance(where, str) else where.place(path)


def read(data: bytes | str, *, where: str, strict: bool = True) -> YamlDocument:
    """The document in these bytes.

    `strict=False` is for files that an earlier version of the platform has accepted: what is not
    sure is then read as YAML 1.1, and of two equal keys the last one. Raises InvalidInput that
    names the line.
    """
    try:
        loader = _Loader(data)
        root = loader.get_single_node()
        for node in _nodes(root) if strict else ():
            _check(node, where)
        content = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidInput(f"{where}{line}: {getattr(error, 'problem', None) or error}") from error
    return YamlDocument(where, content, root)


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once, however often it is referred to."""
    seen: set[int] = set()
    waiting = [root] if root else []
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting[:0] = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting[:0] = node.value


def _check(node: yaml.Node, where: str) -> None:
    place = f"{where}, line {node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, where)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and (fault := _fault(node)):
        problem, fix = fault
        raise InvalidInput(f"{place}: {node.value} {problem}", fix=fix)


def _check_keys(node: yaml.MappingNode, where: str) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        if before := first.get((key.tag, key.value)):
            raise InvalidInput(
                f"{where}, line {line}: {key.value} is given twice, first in line {before}",
                field=key.value,
                fix="keep one of them",
            )
        first[key.tag, key.value] = line


def _fault(node: yaml.ScalarNode) -> tuple[str, str] | None:
    """What is not sure about a plain word, and what to write instead."""
    text, kind = node.value, node.tag.removeprefix(_TAG)
    if kind == "bool" and text.lower() not in ("true", "false"):
        truth = "true" if text.lower() in _TRUE else "false"
        return f"may mean {truth} or the text", f'write {truth}, or "{text}" in quotes'
    if kind == "timestamp":
        return "is a date here, not a text", f'write "{text}" in quotes'
    surprising = kind in ("int", "float") and _SURPRISING.fullmatch(text)
    if surprising or re.fullmatch(r"0o[0-7]+", text):
        return (
            "is one number in YAML 1.1 and another or none in YAML 1.2",
            f'write a plain decimal number, or "{text}" in quotes',
        )
    if kind == "float" and not _finite(text):
        return "is not a finite number", "leave a bound out; write null for a missing value"
    return None


def _finite(text: str) -> bool:
    word = text.lower().replace("_", "").lstrip("+-")
    return word not in (".inf", ".nan") and math.isfinite(float(word))


def _line(node: yaml.Node, path: Path) -> int:
    """A part of the path that the file does not have, such as a missing key, is passed over."""
    line = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found:
                line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line
