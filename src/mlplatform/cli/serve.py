"""Serve one model folder.

The libraries of a server take most of its start, and the trial of its model needs many of them too,
in a process of its own. So this module imports nothing of that: `serve` decides what comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from mlplatform.cli.lazy import later
from mlplatform.cli.workers import WorkerWords, lead, own
from mlplatform.engine import trial_process
from mlplatform.errors import Refused, SettingsError

Folder = Annotated[Path, typer.Argument(help="Model folder.", show_default=False)]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Workers = Annotated[
    int, typer.Option(min=1, max=64, help="Processes that answer, each with an outbox of its own.")
]
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
    workers: Workers = 1,
    worker: WorkerWords = None,
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
    serving = {"host": host, "port": port, "workers": workers}
    _serve(folder, manifest, workers, worker, partial(_configured, serving, kept, tokens))


def _serve(
    folder: Path,
    manifest: str | None,
    workers: int,
    worker: str | None,
    configured: Callable[[], Any],
) -> None:
    if workers > 1 and worker is None:
        lead(configured())
    # First of all that takes time: it imports in a process of its own what this one does too.
    waiting = trial_process.start()
    common = configured()
    # Its trial goes on while the rest of serving is imported.
    tried = later("serving.own_folder").begin(
        folder, common.registry, manifest_sha256=manifest, waiting=waiting
    )
    loaded, which = own(common, worker)
    later("serving.standalone").run(loaded, tried, which)


def _configured(said: dict[str, Any], outbox: Path | None, tokens: Path | None) -> Any:
    """The settings of the environment, and what the command line says."""
    loaded = later("cli.process").begin("serving")
    _refuse_durability(loaded.serving.durability, stored=outbox is not None)
    serving = loaded.serving.model_copy(update=said)
    access = loaded.access.model_copy(update={"tokens_file": tokens})
    kept = loaded.outbox.model_copy(update={"folder": outbox})
    return loaded.model_copy(update={"serving": serving, "access": access, "outbox": kept})


def _refuse_durability(chosen: str, *, stored: bool) -> None:
    """Refuse a choice that would promise what can't be kept here."""
    field = "MLPLATFORM_SERVING__DURABILITY"
    if chosen == "replicated":
        raise Refused(
            "replicated means that Kafka has each request, and here nothing sends requests to it",
            field=field,
            fix="take sync or interval, or serve the model by `mlplatform up` or on a cluster",
        )
    if chosen != "sync" and not stored:
        raise Refused(
            f"{chosen} says how requests are stored, and --no-outbox stores none",
            field=field,
            fix="unset it, or leave --no-outbox out",
        )
