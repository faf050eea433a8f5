"""One model without the rest: make a model folder, or serve one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mlplatform import settings as configuration
from mlplatform.cli.exported import refuse_existing, take_out
from mlplatform.cli.options import Home
from mlplatform.cli.process import begin, quiet_logs
from mlplatform.errors import Refused, SettingsError

Folder = Annotated[Path, typer.Argument(help="Model folder.", show_default=False)]
Model = Annotated[
    str,
    typer.Argument(
        help="Fitted scikit-learn estimator: a .joblib or .pkl file of your own (reading it runs "
        "code), or file.py:function that returns one.",
        show_default=False,
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Outbox = Annotated[
    Path | None,
    typer.Option(
        help="Folder that keeps every answered request; empty: FOLDER.outbox beside it.",
        show_default=False,
    ),
]
NoOutbox = Annotated[bool, typer.Option("--no-outbox", help="Keep no request.")]
Tokens = Annotated[
    Path | None,
    typer.Option(
        help="Token file; empty: everybody who reaches the port is answered.", show_default=False
    ),
]
ManifestDigest = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256",
        help="Serve only a folder whose manifest.json has this digest.",
        show_default=False,
    ),
]
Example = Annotated[
    Path,
    typer.Option(
        metavar="CSV", help="Rows that the model answers, with a header.", show_default=False
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the model; empty: that of the folder.")]
Target = Annotated[
    str, typer.Option(help="Name of the predicted field; a column of it holds the labels.")
]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

app = typer.Typer()


@app.command()
def serve(
    folder: Folder,
    *,
    port: Port = 8080,
    host: Host = "127.0.0.1",
    outbox: Outbox = None,
    no_outbox: NoOutbox = False,
    tokens: Tokens = None,
    manifest: ManifestDigest = None,
) -> None:
    """Serve one model folder, without the rest of the platform. Runs until Ctrl-C."""
    if outbox is not None and no_outbox:
        raise SettingsError("give either --outbox or --no-outbox", field="--no-outbox")
    if tokens is None and host not in _LOOPBACK:
        raise Refused(
            f"{host} can be reached from other machines, and no token would be asked for",
            field="--tokens",
            fix="make a token file with `mlplatform tokens new`",
        )
    kept = None if no_outbox else outbox or folder.with_name(f"{folder.name}.outbox")
    loaded = _configured(begin("serving"), host, port, kept, tokens)
    standalone = import_module("mlplatform.serving.standalone")
    standalone.run(loaded, folder, manifest_sha256=manifest)


@app.command()
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@ALIAS]",
            help="Pipeline, with champion, candidate, previous or a version; champion without one.",
            show_default=False,
        ),
    ],
    folder: Folder,
    *,
    home: Home = None,
) -> None:
    """Copy a version out of the registry into a model folder, with its features code."""
    version = take_out(name, folder, home)
    print(f"{version.pipeline} version {version.version} is in {folder}")
    print(f"manifest {version.manifest_sha256}")


@app.command()
def package(
    model: Model, folder: Folder, *, example: Example, name: Name = None, target: Target = "target"
) -> None:
    """Make a model folder of a scikit-learn model that was trained elsewhere."""
    quiet_logs()
    refuse_existing(folder)
    packager = import_module("mlplatform.trainer.package")
    found = packager.package(
        configuration.load(),
        model,
        example,
        folder,
        name=name or folder.resolve().name,
        target=target,
    )
    print(f"{found.signature.pipeline} is in {folder}, as {found.signature.format}")
    print(f"manifest {found.manifest_sha256}")


def _configured(
    loaded: configuration.Settings, host: str, port: int, outbox: Path | None, tokens: Path | None
) -> configuration.Settings:
    """The settings of the environment, and what the command line says."""
    serving = loaded.serving.model_copy(update={"host": host, "port": port})
    access = loaded.access.model_copy(update={"tokens_file": tokens})
    kept = loaded.outbox.model_copy(update={"folder": outbox})
    return loaded.model_copy(update={"serving": serving, "access": access, "outbox": kept})
