# ruff: noqa: INP001  (scripts of an image, not a package)
"""Make the bare repository that the trial git server shows.

It holds the history of a clone, and on top what the clone's work tree holds. Run while the image is
built: `bake.py CLONE BARE`. Commits keep their ids, so that versions trained from an earlier image
still find their code. Uncommitted pipelines become one more commit, which the next image lacks
unless it was committed meanwhile.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, ObjectID
from dulwich.repo import Repo

FOLDER = "pipelines"
BRANCH = b"refs/heads/main"
AUTHOR = b"work tree <work-tree@localhost>"


def bake(clone: Path, bare: Path) -> str:
    """Write `bare` and return the id of its newest commit."""
    source = Repo(str(clone))
    target = Repo.init_bare(str(bare), mkdir=True)
    head = source.head()
    # The hook's signature is fixed.
    source.fetch(target, determine_wants=lambda refs, depth=None: [head])  # noqa: ARG005
    newest = _with_work_tree(target, head, clone / FOLDER)
    target.refs[BRANCH] = newest
    target.refs.set_symbolic_ref(b"HEAD", BRANCH)
    return newest.decode()


def _with_work_tree(target: Repo, head: ObjectID, folder: Path) -> ObjectID:
    """`head`, or a commit on top of it when the files differ.

    Its date is its parent's: the same files give the same id.
    """
    blobs = []
    for path in sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ):
        blob = Blob.from_string(path.read_bytes())
        target.object_store.add_object(blob)
        blobs.append((f"{FOLDER}/{path.relative_to(folder)}".encode(), blob.id, 0o100644))
    tree = commit_tree(target.object_store, blobs)
    parent = target[head]
    assert isinstance(parent, Commit)
    held = target[parent.tree]
    name = FOLDER.encode()
    if name in held and held[name] == target[tree][name]:  # type: ignore[index, operator]
        return head
    made = Commit()
    made.tree, made.parents, made.author, made.committer = tree, [head], AUTHOR, AUTHOR
    made.author_time = made.commit_time = parent.commit_time
    made.author_timezone = made.commit_timezone = 0
    made.message = b"Pipelines as they lay in the work tree\n"
    target.object_store.add_object(made)
    return made.id


if __name__ == "__main__":
    os.umask(0o022)
    sys.stdout.write(bake(Path(sys.argv[1]), Path(sys.argv[2])) + "\n")
