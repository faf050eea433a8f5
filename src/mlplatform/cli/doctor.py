"""`mlplatform doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlplatform.cli.connection import Home, local
from mlplatform.cli.output import AsJson, console, emit

if TYPE_CHECKING:
    from mlplatform.local.state import State

GIB = 1024**3
DISK = 2 * GIB
"""Databases, two copies of them, logs and models of the examples take a quarter of it; the rest is room to work."""
MEMORY = int(2.5 * GIB)
"""A running stack takes below 1.5 GiB, a training on top half of one."""
LIBRARIES = {
    "psycopg": "data",
    "pyarrow": "data",
    "mlflow": "trainer",
    "sklearn": "sklearn",
    "onnxruntime": "serving",
    "dulwich": "serving",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: str  # ok, note (works, but you may want to know), missing (won't work)
    detail: str
    fix: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(*, home: Home = None, as_json: AsJson = False) -> None:
    """Look at this machine and at the stack that runs on it, and say what is missing.

    Ends with 1 when something won't work.
    """
    findings = list(examine(home))
    missing = any(finding.state == "missing" for finding in findings)
    if as_json:
        emit({"ok": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if missing:
        raise typer.Exit(1)


def examine(home: Path | None) -> Iterator[Finding]:
    """All findings, in the order in which things would fail."""
    state = local(home)
    place = state.home if state else home or Path.cwd()
    yield _python()
    yield _libraries()
    yield _postgres()
    yield _disk(place)
    yield from _memory()
    yield from _source(state)
    yield _ports(state)
    yield _kafka()
    yield from _stack(state)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding(
        "python",
        "ok" if good else "missing",
        f"{version} at {sys.executable}",
        "" if good else "use Python 3.11, 3.12 or 3.13",
    )


def _libraries() -> Finding:
    from importlib.util import find_spec

    absent = [name for name in LIBRARIES if find_spec(name) is None]
    if not absent:
        return Finding("libraries", "ok", "all extras are installed")
    extras = ",".join(sorted({LIBRARIES[name] for name in absent}))
    return Finding(
        "libraries",
        "missing",
        f"no {', '.join(absent)}",
        f"pip install 'mlplatform[{extras}]', or `make setup`",
    )


def _postgres() -> Finding:
    from mlplatform.errors import SettingsError
    from mlplatform.local.servers.binaries import find
    from mlplatform.local.servers.postgres_files import OUTSIDE

    try:
        programs = find(None, copies=OUTSIDE)
    except SettingsError as error:
        return Finding("postgres", "missing", error.message, error.fix)
    user = (
        f", run as uid {programs.uid} since PostgreSQL refuses root"
        if programs.uid is not None
        else ""
    )
    guarded = "" if programs.major >= 17 else "; before 17 a primary can't refuse readers by itself"
    return Finding(
        "postgres", "ok", f"PostgreSQL {programs.major} in {programs.folder}{user}{guarded}"
    )


def _disk(place: Path) -> Finding:
    existing = next(folder for folder in (place, *place.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    state = "ok" if free >= DISK else "missing"
    return Finding(
        "disk",
        state,
        f"{free / GIB:.1f} GiB free at {existing}",
        "" if state == "ok" else f"make room for {DISK / GIB:.0f} GiB",
    )


def _memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return  # not Linux: nothing to be read without a library
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    fix = "" if free >= MEMORY else f"a stack with a training wants {MEMORY / GIB:.1f} GiB"
    yield Finding(
        "memory", "ok" if free >= MEMORY else "note", f"{free / GIB:.1f} GiB available", fix
    )


def _source(state: State | None) -> Iterator[Finding]:
    from mlplatform.cli.stack import project
    from mlplatform.errors import PlatformError
    from mlplatform.settings import SourceSettings
    from mlplatform.source.checkout import checkout, dirty

    try:
        url = state.source if state else str(project(Path.cwd()))
        source = SourceSettings(
            url=url, working_tree=bool(state and state.working_tree) or not _is_repository(url)
        )
        code = checkout(source)
        edited = dirty(source)
    except PlatformError as error:
        yield Finding("pipelines", "missing", error.message, error.fix)
        return
    yield Finding(
        "pipelines", "ok", f"{', '.join(code.pipelines()) or 'none'} at {code.commit[:25]} of {url}"
    )
    if edited:
        yield Finding(
            "git",
            "note",
            f"{len(edited)} edited file(s), e.g. {edited[0]}",
            "commit them, or use --working-tree",
        )


def _is_repository(url: str) -> bool:
    return not Path(url).is_dir() or (Path(url) / ".git").exists()


def _ports(state: State | None) -> Finding:
    from mlplatform.local import ports

    if state and state.running:
        return Finding(
            "ports", "ok", ", ".join(f"{name} {port}" for name, port in state.ports.items())
        )
    taken = [f"{name} {port}" for name, port in ports.DEFAULTS.items() if not ports.free(port)]
    if not taken:
        return Finding("ports", "ok", "the usual ones are free")
    return Finding(
        "ports",
        "note",
        f"taken: {', '.join(taken)}",
        "others are chosen; `mlplatform status` shows them",
    )


def _kafka() -> Finding:
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if absent:
        return Finding(
            "kafka",
            "note",
            f"no {' and no '.join(absent)}",
            "only for a broker of your own (`make kafka`); the embedded queue needs neither",
        )
    return Finding("kafka", "ok", "java and mvn are here: `make kafka` can run a broker")


def _stack(state: State | None) -> Iterator[Finding]:
    if state is None:
        yield Finding("stack", "note", "none here yet", "`mlplatform up` starts one")
        return
    if not state.running:
        yield Finding(
            "stack",
            "note",
            f"the one in {state.home} is not running",
            "`mlplatform up` starts it; its data is kept",
        )
        return
    ill = [
        f"{name} is {process.state} ({process.reason})"
        for name, process in state.processes.items()
        if process.state != "ready"
    ]
    restarted = [
        f"{name} {process.restarts}×"
        for name, process in state.processes.items()
        if process.restarts
    ]
    if ill:
        yield Finding("stack", "missing", "; ".join(ill), "`mlplatform logs NAME` says why")
    else:
        again = f"; came back after an end: {', '.join(restarted)}" if restarted else ""
        yield Finding("stack", "ok", f"{len(state.processes)} processes in {state.home}{again}")
    for name, page in (("dataapi", "/readyz"), ("serving", "/readyz"), ("mlflow", "/health")):
        yield _page(name, state.urls[name] + page)


def _page(name: str, url: str) -> Finding:
    import httpx

    try:
        answer = httpx.get(url, timeout=10)
    except httpx.HTTPError as error:
        return Finding(
            name, "missing", f"no answer at {url}: {error}", f"`mlplatform logs {name}` says why"
        )
    if answer.is_success:
        return Finding(name, "ok", url)
    said = (
        answer.json().get("detail", "") if "json" in answer.headers.get("content-type", "") else ""
    )
    return Finding(
        name,
        "missing",
        f"{url} answers {answer.status_code}: {said}",
        f"`mlplatform logs {name}` says why",
    )


def _show(findings: Sequence[Finding]) -> None:
    from rich.markup import escape

    colours = {"ok": "green", "note": "yellow", "missing": "bold red"}
    out = console()
    for finding in findings:
        colour = colours[finding.state]
        out.print(
            f"[{colour}]{finding.state:<7}[/{colour}] {finding.subject:<10} {escape(finding.detail)}"
        )
        if finding.fix:
            out.print(f"        {'':<10} → {escape(finding.fix)}")
