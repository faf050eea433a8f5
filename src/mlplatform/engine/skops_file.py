"""Read a skops file: judge every node of it, then build the estimator."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any
from zipfile import ZipFile

# skops' public functions tell names, not which kind of node carries them; see `skops_trust`.
from skops.io._audit import Node, audit_tree, get_tree
from skops.io._protocol import PROTOCOL
from skops.io._utils import read_schema

from mlplatform.engine.skops_trust import opens_files, trusted
from mlplatform.errors import IntegrityFailure

_GROWTH, _ROOM = 20, 1 << 20
"""A file may unpack to 20 times its size and 1 MiB: training writes it uncompressed, and files that
a person compressed shrink to a tenth."""


def build(data: bytes, allowed: Sequence[str]) -> Any:
    """The estimator of a skops file. Raises IntegrityFailure as `judged` does."""
    tree = judged(data, allowed)
    try:
        return tree.construct()
    except Exception as error:
        raise _damaged(error) from error


def judged(data: bytes, allowed: Sequence[str]) -> Node:
    """The tree of a skops file, of which nothing has been built.

    `allowed` are names from settings, beyond what is trusted by rule. Raises IntegrityFailure that
    names everything else, or says what is wrong with the file.
    """
    try:
        tree = _tree(data)
        nodes = tuple(_nodes(tree))
        strange = {why for node in nodes if (why := _complaint(node, allowed))}
    except IntegrityFailure:
        raise
    except Exception as error:  # what a damaged file raises depends on the place of the damage
        raise _damaged(error) from error
    if strange:
        raise IntegrityFailure(
            f"the model holds types that are not trusted: {', '.join(sorted(strange))}",
            field="MLPLATFORM_REGISTRY__SKOPS_TRUSTED",
            fix="use scikit-learn's own estimators and NumPy's functions (serving has no model.py)"
            "; or, if these types are installed in serving too and you have read what they do when "
            "they are loaded, list them there for trainer and serving (in local mode: set it when "
            "`mlplatform up` starts)",
        )
    try:
        # skops' own audit is the second lock; it also judges the bit generator of a Generator.
        audit_tree(tree, trusted=sorted({_name(node) for node in nodes} | set(allowed)))
    except TypeError as error:
        raise _damaged(error) from error
    return tree


def _tree(data: bytes) -> Node:
    with ZipFile(io.BytesIO(data)) as archive:
        _refuse_growth(data, sum(entry.file_size for entry in archive.infolist()))
        schema, context = read_schema(archive)
        if context.protocol != PROTOCOL:
            raise IntegrityFailure(
                f"the model is a skops file of protocol {context.protocol}, not {PROTOCOL}",
                field="model.skops",
                fix="train again",
            )
        _refuse_growth(data, _referred(archive, schema))
        return get_tree(schema, context, trusted=None)


def _refuse_growth(data: bytes, unpacked: int) -> None:
    """Nothing has been unpacked yet: sizes are those that the file declares."""
    if unpacked > _GROWTH * len(data) + _ROOM:
        raise IntegrityFailure(
            f"the model's {len(data)} bytes unpack to {unpacked}; skops stores without compression",
            field="model.skops",
        )


def _referred(archive: ZipFile, schema: Any) -> int:
    """Bytes that skops reads, which reads a file once for each node that refers to it."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    total, seen, waiting = 0, set(), [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            known, name = value.get("__id__"), value.get("file")
            if isinstance(name, str) and (not known or known not in seen):
                total += sizes.get(name, 0)
                seen.add(known)
    return total


def _damaged(error: Exception) -> IntegrityFailure:
    return IntegrityFailure(
        f"the skops file can't be read: {type(error).__name__}: {str(error)[:200]}",
        field="model.skops",
    )


def _nodes(tree: Node) -> Iterator[Node]:
    """Every node of the tree once; shared ones and cycles are possible."""
    waiting: list[Any] = [tree]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, Node) and id(value) not in seen:
            seen.add(id(value))
            yield value
            # A constructor is the node's own type, or fixed by skops: it was judged with the node.
            waiting.extend(child for name, child in value.children.items() if name != "constructor")


def _complaint(node: Node, allowed: Sequence[str]) -> str:
    """What is wrong with a node, or ''."""
    name, kind = _name(node), type(node).__name__
    if name in allowed:
        return ""
    if not trusted(kind, node.module_name, node.class_name):
        return name
    if kind == "DictNode" and not _typed(node.children["key_types"]):
        return f"{name} with keys that are made by calling {_name(node.children['key_types'])}"
    if kind == "ObjectNode" and opens_files(node.module_name, node.class_name):
        attributes = node.children["attrs"]
        state = attributes.children.get("content") if isinstance(attributes, Node) else None
        given = state.get("input") if isinstance(state, dict) else None
        if type(given).__name__ != "JsonNode" or getattr(given, "content", "") != '"content"':
            return f'{name} with an input other than "content"'
    return ""


def _typed(keys: Any) -> bool:
    """Whether a dictionary's keys are made by types, as in every file that skops wrote."""
    content = keys.children.get("content") if type(keys).__name__ == "ListNode" else None
    return isinstance(content, list) and all(type(key).__name__ == "TypeNode" for key in content)


def _name(node: Node) -> str:
    """The name under which skops reports a node."""
    whole = f"{node.module_name}.{node.class_name}"
    return f"{whole}.{node.func}" if type(node).__name__ == "MethodNode" else whole
