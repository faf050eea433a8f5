"""`mlplatform clean`: delete the data of the local stack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.options import Home
from mlplatform.errors import Refused
from mlplatform.local import state
from mlplatform.local.servers import postgres_files

app = typer.Typer()


@app.command()
def clean(
    *,
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
) -> None:
    """Delete the data of the local stack, and of a demo: databases, models, stored requests.

    They must be stopped. Without --home, the stack of this folder; or of one above, after asking:
    with --yes, folders above are left alone.
    """
    place = _place(home, above=not yes)
    if place is None:
        print("there is no local stack here")
        return
    if not yes:
        typer.confirm(f"delete everything in {place}?", abort=True)
    if (place / "demo").is_dir():
        remove(place / "demo")
    remove(place)
    print(f"{place} is gone")


def remove(home: Path) -> None:
    """Delete a stack's folder, and the databases where they lie outside of it.

    Raises Refused while it runs, and when something could not be deleted.
    """
    with state.hold(home):
        for folder in home.glob("postgres*"):
            postgres_files.remove(folder)
        shutil.rmtree(home, ignore_errors=True)
        # The folder itself may stay: it may be a volume's.
        left = next(home.iterdir(), None) if home.exists() else None
    if left is not None:
        raise Refused(f"{left} could not be deleted", field="--home", fix="delete it by hand")


def _place(home: Path | None, *, above: bool) -> Path | None:
    """The nearest folder that may be meant. Raises Refused when no stack has ever run in it."""
    folders = (Path.cwd(), *(Path.cwd().parents if above else ()))
    places = [home] if home else [folder / state.FOLDER for folder in folders]
    place = next((folder.resolve() for folder in places if folder.is_dir()), None)
    if place is None or state.is_home(place) or state.is_home(place / "demo"):
        return place
    raise Refused(
        f"{place} holds no local stack",
        field="--home",
        fix="name the folder that `mlplatform up` made",
    )
