"""The command `mlplatform`: all commands by name, and our errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mlplatform import __version__, vendor_telemetry
from mlplatform.cli.commands import COMMANDS
from mlplatform.cli.lazy import later, lazy_app
from mlplatform.contracts.exit_code import exit_code
from mlplatform.errors import PlatformError
from mlplatform.trainer.interrupt import put_off_sigterm

TRAININGS = (["train"], ["import-model"])


def application(words: Sequence[str]) -> typer.Typer:
    """The command line. With a command as the first word it knows that one only.

    To describe all others to typer would take as long as to import it.
    """
    named = tuple(command for command in COMMANDS if [command.name] == list(words[:1]))
    app = lazy_app(
        named or COMMANDS,
        name="mlplatform",
        help=options.__doc__,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mlplatform {__version__}")
        raise typer.Exit


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
    del debug  # `run` takes it off the command line, so that it may stand anywhere
    del version  # its callback has dealt with it


def run() -> None:
    """Run the command line of this process.

    An error of ours becomes one red line and exit code 1; of a training, the code that says why.
    """
    debug = "--debug" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--debug"]
    _prepare(words)
    try:
        application(words)(args=words, prog_name="mlplatform")
    except PlatformError as error:
        if debug:
            raise
        _complain(error)
        sys.exit(int(exit_code(error)) if words[:1] in TRAININGS else 1)
    except BrokenPipeError:  # the reader of our output, say `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # of a file that no reader of ours has named
        if debug or not error.filename:
            raise
        _complain(_unnamed(error))
        sys.exit(1)


def _prepare(words: Sequence[str]) -> None:
    """What must be done before libraries are imported."""
    os.environ.update(vendor_telemetry.OFF)  # some would report to their makers
    if words[:1] == ["trainer"]:
        put_off_sigterm()  # some start threads, which are to inherit it


def _complain(error: PlatformError) -> None:
    later("cli.terminal").complain(error)  # with rich, which a server that starts does not need


def _unnamed(error: OSError) -> PlatformError:
    return PlatformError(
        f"can't use {error.filename}: {error.strerror}",
        fix="see what is in its place, its rights and the disk; --debug shows where",
    )
