"""Labels in: what turned out to be true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.import_rows import INTERRUPTED, InFormat
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit
from mlplatform.cli.rows_progress import RowsProgress
from mlplatform.client.dataapi import DataApi
from mlplatform.client.files.inputs import InputFile, input_files
from mlplatform.client.label_files import send_label_file
from mlplatform.contracts.labels import LabelsResult

LabelFiles = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        help="Labels with request_id, row and label: any file that `import` takes, a pattern, or - "
        "for stdin; may be repeated.",
    ),
]
MOST_REASONS = 10
"""Refusals that are printed for each file; the quarantine has all of them."""

app = typer.Typer()


@app.command()
def label(
    name: Pipeline,
    files: LabelFiles,
    *,
    given: InFormat = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add labels: what turned out to be true of rows that were predicted.

    A label belongs to a request, by the id in its answer, and a row of it (the first is 0). The
    same file again changes nothing; another label for a row corrects it. Ends with 1 when the data
    API has refused some.
    """
    inputs = input_files(files, given=given)
    with connect(home).dataapi("client") as api:
        found = _sent(api, name, inputs)
    if as_json:
        emit({"files": found})
    else:
        _show(found)
    if any(result.refused for result in found.values()):
        raise typer.Exit(1)


def _sent(api: DataApi, name: str, inputs: list[InputFile]) -> dict[str, LabelsResult]:
    found: dict[str, LabelsResult] = {}
    with RowsProgress() as progress:
        try:
            for each in inputs:
                key = str(each.path or each.name)
                found[key] = send_label_file(api, name, each, on_progress=progress.show)
        except KeyboardInterrupt:
            progress.note(f"stopped after {progress.rows:,} labels; send the files again")
            raise typer.Exit(INTERRUPTED) from None
    return found


def _show(found: Mapping[str, LabelsResult]) -> None:
    print(f"{sum(each.accepted for each in found.values()):,} labels accepted")
    for name, result in found.items():
        if result.refused:
            print(f"{len(result.refused):,} of {name} were refused, and are in quarantine")
        for each in result.refused[:MOST_REASONS]:
            print(f"  record {each.index + 1}: {each.field}: {each.reason}")
