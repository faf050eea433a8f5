"""The modules that serving has, and how a process does without all others.

Serving's image holds what the extra `serving` of this package asks for, and no pandas. A
features.py that imports more runs on the author's machine and in etl, and then no version can
serve.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from types import ModuleType

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?[^;]*;?(.*)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def others() -> frozenset[str]:
    """Top-level modules that are installed here, and that serving does not have.

    Takes some tenths of a second.
    """
    there = _with_requirements("mlplatform", ("serving",))
    return frozenset(
        module
        for module, packages in packages_distributions().items()
        if not there.intersection(map(_normal, packages))
    )


def bar(modules: frozenset[str]) -> None:
    """From here on none of them can be imported in this process."""
    sys.meta_path.insert(0, _Barrier(modules))


class _Barrier(MetaPathFinder):
    def __init__(self, modules: frozenset[str]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See MetaPathFinder. Raises ModuleNotFoundError."""
        del path, target
        name = fullname.partition(".")[0]
        if name in self._modules:
            raise ModuleNotFoundError(
                f"serving has no module '{name}': write it with NumPy and Python's own", name=name
            )
        return None


def _with_requirements(package: str, extras: Sequence[str]) -> set[str]:
    """The package, and all that is installed for it and these extras."""
    found: set[str] = set()
    waiting = [(package, tuple(extras))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found.add(_normal(name))
        waiting += _required(name, wanted)
    return found


def _required(package: str, extras: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    try:
        lines = requires(package) or []
    except PackageNotFoundError:  # for another platform or Python
        return []
    found = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        name, own, marker = match.groups()
        extra = _EXTRA.search(marker)
        if extra is None or extra[1] in extras:
            found.append((name, tuple(filter(None, map(str.strip, (own or "").split(","))))))
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
