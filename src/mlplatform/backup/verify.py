"""Hash every file of a snapshot again."""

from __future__ import annotations

from pathlib import Path

from mlplatform.backup import snapshot
from mlplatform.backup.snapshot import Index
from mlplatform.errors import IntegrityFailure


def verify(folder: Path) -> Index:
    """The index of a snapshot whose every byte is proven.

    Raises IntegrityFailure that names each file which differs.
    """
    index = snapshot.read(folder)
    expected = {file.path: file for file in index.files}
    actual = {file.path: file for file in snapshot.files(folder)}
    wrong = [f"{path} is missing" for path in sorted(expected.keys() - actual.keys())]
    wrong += [f"{path} is not in the index" for path in sorted(actual.keys() - expected.keys())]
    wrong += [
        f"{path} differs"
        for path in sorted(expected.keys() & actual.keys())
        if expected[path] != actual[path]
    ]
    if wrong:
        raise IntegrityFailure(
            f"{folder.name}: {'; '.join(wrong[:20])}", field=wrong[0].rpartition(" ")[0]
        )
    return index
