"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of the local stack; empty: .mlplatform here or in a folder above.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Pipeline = Annotated[str, typer.Argument(help="Pipeline.")]
OnePipeline = Annotated[str | None, typer.Argument(help="Pipeline; empty: all.")]
