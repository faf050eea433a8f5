"""`mlplatform new`: a pipeline from a file of rows."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.prompt import Confirm, Prompt

from mlplatform.cli.lazy import later
from mlplatform.cli.options import AsJson
from mlplatform.cli.output import emit
from mlplatform.cli.process import quiet_logs
from mlplatform.cli.terminal import console
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.errors import InvalidInput, Refused

Name = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]
From = Annotated[
    Path,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Rows with the target: .csv, .parquet, .ndjson, .jsonl, .arrow or .feather, also "
        "with .gz or .zst.",
        show_default=False,
    ),
]
Target = Annotated[
    str, typer.Option("--target", help="Column to predict.", show_default=False, metavar="COLUMN")
]
Key = Annotated[
    str, typer.Option("--key", help="Column with your own id of a row.", metavar="COLUMN")
]
Time = Annotated[
    str, typer.Option("--time", help="Column that says when a row happened.", metavar="COLUMN")
]
Task = Annotated[
    Literal["classification", "regression"] | None,
    typer.Option("--task", help="Empty: by the target's values."),
]
Git = Annotated[
    bool | None,
    typer.Option(
        "--git/--no-git",
        help="Make a git repository with the pipeline in its first commit. Empty: where there is "
        "none, on a terminal after asking.",
        show_default=False,
    ),
]
Ci = Annotated[
    Literal["github", "gitlab"] | None,
    typer.Option(
        "--ci", help="Also write the file with which that server tries all pipelines at each push."
    ),
]
Into = Annotated[Path, typer.Option("--into", help="Folder of the pipelines.", metavar="FOLDER")]

app = typer.Typer()


@app.command()
def new(
    name: Name,
    *,
    file: From,
    target: Target,
    key: Key = "",
    time: Time = "",
    task: Task = None,
    into: Into = Path("pipelines"),
    ci: Ci = None,
    git: Git = None,
    as_json: AsJson = False,
) -> None:
    """Write a pipeline for a file of rows: columns, gates, model and cases, ready to be applied."""
    _check(name, into / name)
    # Only here: it needs scikit-learn, pandas and Arrow.
    make, plan = import_module("mlplatform.draft.make"), import_module("mlplatform.draft.plan")
    made = make.draft(name, file, plan.Choice(target, key, time, task), _choose)
    make.write(made, into / name)
    written = [into / name, *_ci_file(ci, into)]
    commit = _committed(written, git)
    if as_json:
        emit(_document(made, into / name) | {"commit": commit})
    else:
        _print(made, written, file, commit)


def _check(name: str, folder: Path) -> None:
    quiet_logs()
    if not re.match(PIPELINE_NAME, name) or name.endswith("-"):
        raise InvalidInput(
            f"'{name}' is not a name of a pipeline",
            field="NAME",
            fix="2 to 41 small letters, digits and '-', a letter first and no '-' last",
        )
    if folder.exists():
        raise Refused(
            f"{folder} is there already", field="NAME", fix="remove it, or choose another name"
        )


def _choose(prompt: str, choices: Sequence[str]) -> str | None:
    """Nobody is asked in a script: the first guess stands there."""
    if not _on_terminal():
        return None
    none = "none"
    answer = Prompt.ask(prompt, choices=[*choices, none], console=console(stderr=True))
    return None if answer == none else answer


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _document(made: Any, folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "files": list(made.files),
        "task": made.plan.task,
        "rows": made.plan.rows,
        "key": made.plan.key.name if made.plan.key else None,
        "time": made.plan.time.name if made.plan.time else None,
        "model": made.found.kind,
        "metric": made.found.metric,
        "score": made.found.score,
        "findings": list(made.findings),
    }


def _print(made: Any, written: Sequence[Path], file: Path, commit: str | None) -> None:
    plan, found = made.plan, made.found
    print(f"{written[0]} is written: {', '.join(made.files)}")
    print(
        f"a {plan.task} of {plan.target.name} from {len(plan.features)} columns of {plan.rows} "
        f"rows; a quick model reached {found.metric} {found.score:.3f}"
    )
    out = console(stderr=True)
    for line in made.findings:
        out.print(f"note: {line}", style="yellow", markup=False)
    for path in written[1:]:
        print(f"{path} is written: it tries all pipelines with each push")
    _print_next(plan.name, written, file, commit)


def _ci_file(ci: Literal["github", "gitlab"] | None, into: Path) -> list[Path]:
    """The file for that server, written now; none when a file is in its place, which is said."""
    if ci is None:
        return []
    ci_file = import_module("mlplatform.draft.ci_file")
    place = ci_file.write_ci(ci, into.parent)
    if place is not None:
        return [place]
    there = into.parent / ci_file.PLACES[ci]
    fix = f"`mlplatform validate` is what --ci {ci} would have it run"
    note = f"note: {there} is there already and stays; {fix}"
    console(stderr=True).print(note, style="yellow", markup=False)
    return []


def _committed(written: Sequence[Path], git: bool | None) -> str | None:
    """The first commit of a new repository; None where there is one, or none is wanted."""
    source = later("source.first_commit")  # dulwich is not in every image
    paths = [path.resolve() for path in written]
    root = paths[0].parents[1]
    if git is None:
        git = not source.in_repository(root) and _wants_repository(root)
    elif git and source.in_repository(root):
        raise Refused(
            f"{root} is in a git repository already; {written[0]} is written, and not committed",
            field="--git",
            fix=f"git add {_words(written)} && git commit",
        )
    message = f"A first version of {paths[0].name}"
    return source.first_commit(root, paths, message) if git else None


def _words(paths: Sequence[Path]) -> str:
    return " ".join(map(str, paths))


def _wants_repository(root: Path) -> bool:
    if not _on_terminal():
        return True
    prompt = f"{root} is in no git repository. Make one, with this pipeline as first commit?"
    return Confirm.ask(prompt, default=True, console=console(stderr=True))


def _print_next(name: str, written: Sequence[Path], file: Path, commit: str | None) -> None:
    if commit:
        print(f"a git repository is made here; commit {commit[:12]} holds the pipeline")
    print("next:")
    if not commit and later("source.first_commit").in_repository(written[0].resolve()):
        print(f"  git add {_words(written)} && git commit -m 'A first {name}'")
    print("  mlplatform up          # in a terminal of its own; where it runs already:")
    print(f"                         # mlplatform apply {name}")
    print(f"  mlplatform import {name} {file} --wait")
    print(f"  mlplatform train {name}")
    print(f"  mlplatform approve {name} --why 'a first version'")
