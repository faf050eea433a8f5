"""The command `mlplatform`: puts the commands together, and turns our errors into one line.

The modules of the commands import what they need inside the commands: `--help` must answer at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mlplatform import vendor_telemetry
from mlplatform.cli import backup, check, data, doctor, models, processes, stack, tokens, training
from mlplatform.cli.output import complain
from mlplatform.errors import PlatformError

app = typer.Typer(
    name="mlplatform",
    help="Keeps tabular models alive: serve, record, retrain on a read replica, prove, promote.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (stack, training, models, data, check, doctor, backup, tokens, processes):
    part.register(app)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"mlplatform {version('mlplatform')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the whole traceback of an error. May stand anywhere."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Keeps tabular models alive: serve, record, retrain on a read replica, prove, promote."""
    del (
        debug,
        version,
    )  # `run` takes the first off the command line, so that it may stand anywhere; the second has been dealt with


def run() -> None:
    """Run the command line of this process.

    An error of ours becomes one red line and exit code 1.
    """
    os.environ.update(vendor_telemetry.OFF)
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    try:
        app(args=[word for word in arguments if word != "--debug"], prog_name="mlplatform")
    except PlatformError as error:
        if debug:
            raise
        complain(error)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output, say `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)
