"""`mlplatform doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import httpx
import typer

from mlplatform.cli import local_stack
from mlplatform.cli.findings import Finding, show
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.cli.project import project
from mlplatform.errors import PlatformError, SettingsError
from mlplatform.local import ports
from mlplatform.local.servers.binaries import find
from mlplatform.local.servers.postgres_files import OUTSIDE
from mlplatform.local.state import State
from mlplatform.settings import SourceSettings, variable
from mlplatform.source.checkout import checkout, dirty
from mlplatform.unprivileged import command, source

GIB = 1024**3
DISK = 2 * GIB
"""Databases, their copies, logs and models of the examples take a quarter; the rest is room."""
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
"""Module -> the extra that brings it."""
PAGES = {"dataapi": "/readyz", "serving": "/readyz", "mlflow": "/health"}

app = typer.Typer()


@app.command()
def doctor(*, home: Home = None, as_json: AsJson = False) -> None:
    """Examine this machine and the stack that runs on it, and say what is missing.

    Ends with 1 when something won't work.
    """
    findings = list(examine(home))
    missing = any(finding.state == "missing" for finding in findings)
    if as_json:
        emit({"ok": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        show(findings)
    if missing:
        raise typer.Exit(1)


def examine(home: Path | None) -> Iterator[Finding]:
    """All findings, in the order in which things would fail."""
    state = local_stack.find(home)
    yield _python()
    yield _libraries()
    yield _postgres()
    yield _users(state)
    yield _disk(state.home if state else home or Path.cwd())
    yield from _memory()
    yield from _pipelines(state)
    yield _ports(state)
    yield _kafka()
    if state is None:
        yield Finding("stack", "note", "none here yet", "`mlplatform up` starts one")
    elif not state.running:
        said = f"the one in {state.home} is not running"
        yield Finding("stack", "note", said, "`mlplatform up` starts it; its data is kept")
    else:
        yield _processes(state)
        yield from (_page(name, state.urls[name] + page) for name, page in PAGES.items())


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    found = f"{version} at {sys.executable}"
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("python", "ok", found)
    return Finding("python", "missing", found, "use Python 3.11, 3.12 or 3.13")


def _libraries() -> Finding:
    absent = [name for name in LIBRARIES if find_spec(name) is None]
    if not absent:
        return Finding("libraries", "ok", "all extras are installed")
    extras = ",".join(sorted({LIBRARIES[name] for name in absent}))
    fix = f"pip install 'mlplatform[{extras}]', or `make setup`"
    return Finding("libraries", "missing", f"no {', '.join(absent)}", fix)


def _postgres() -> Finding:
    try:
        programs = find(None, copies=OUTSIDE)
    except SettingsError as error:
        return Finding("postgres", "missing", error.message, error.fix)
    found = f"PostgreSQL {programs.major} in {programs.folder}"
    if programs.uid is not None:
        found += f", run as uid {programs.uid} since PostgreSQL refuses root"
    if programs.major < 17:
        found += "; before 17 a primary can't refuse readers by itself"
    return Finding("postgres", "ok", found)


def _users(state: State | None) -> Finding:
    if os.geteuid() != 0:
        return Finding("trainings", "ok", "run as you, like everything else here")
    named = {"url": state.source, "cache": str(state.home / "cache" / "source")} if state else {}
    read = source.readable({variable("source", name): value for name, value in named.items()})
    if not (why := command.hindrance(*read)):
        return Finding("trainings", "ok", "run as users of their own, since you are root")
    fix = "run the platform as another user than root, or run only pipelines that you trust"
    said = f"run as root, and can read all secrets; no other user can run them: {why}"
    return Finding("trainings", "note", said, fix)


def _disk(place: Path) -> Finding:
    existing = next(folder for folder in (place, *place.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / GIB:.1f} GiB free at {existing}"
    if free >= DISK:
        return Finding("disk", "ok", found)
    return Finding("disk", "missing", found, f"make room for {DISK / GIB:.0f} GiB")


def _memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return  # not Linux: nothing to be read without a library
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    found = f"{free / GIB:.1f} GiB available"
    if free >= MEMORY:
        yield Finding("memory", "ok", found)
    else:
        fix = f"a stack with a training needs {MEMORY / GIB:.1f} GiB"
        yield Finding("memory", "note", found, fix)


def _pipelines(state: State | None) -> Iterator[Finding]:
    try:
        url = state.source if state else str(project(Path.cwd()))
        working_tree = bool(state and state.working_tree) or not _is_repository(url)
        source = SourceSettings(url=url, working_tree=working_tree)
        code = checkout(source)
        edited = dirty(source)
    except PlatformError as error:
        yield Finding("pipelines", "missing", error.message, error.fix)
        return
    names = ", ".join(code.pipelines()) or "none"
    yield Finding("pipelines", "ok", f"{names} at {code.commit[:25]} of {url}")
    if edited:
        found = f"{len(edited)} edited file(s), e.g. {edited[0]}"
        yield Finding("git", "note", found, "commit them, or use --working-tree")


def _is_repository(url: str) -> bool:
    return not Path(url).is_dir() or (Path(url) / ".git").exists()


def _ports(state: State | None) -> Finding:
    if state and state.running:
        found = ", ".join(f"{name} {port}" for name, port in state.ports.items())
        return Finding("ports", "ok", found)
    taken = [f"{name} {port}" for name, port in ports.DEFAULTS.items() if not ports.free(port)]
    if not taken:
        return Finding("ports", "ok", "the usual ones are free")
    fix = "others are chosen; `mlplatform status` shows them"
    return Finding("ports", "note", f"taken: {', '.join(taken)}", fix)


def _kafka() -> Finding:
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if not absent:
        return Finding("kafka", "ok", "java and mvn are here: `make kafka` can run a broker")
    return Finding(
        "kafka",
        "note",
        f"no {' and no '.join(absent)}",
        "only for a broker of your own (`make kafka`); the embedded queue needs neither",
    )


def _processes(state: State) -> Finding:
    processes = state.processes.items()
    ill = [
        f"{name} is {each.state} ({each.reason})"
        for name, each in processes
        if each.state != "ready"
    ]
    if ill:
        return Finding("stack", "missing", "; ".join(ill), "`mlplatform logs NAME` says why")
    again = ", ".join(f"{name} {each.restarts}×" for name, each in processes if each.restarts)
    found = f"{len(state.processes)} processes in {state.home}"
    return Finding("stack", "ok", f"{found}; came back after an end: {again}" if again else found)


def _page(name: str, url: str) -> Finding:
    fix = f"`mlplatform logs {name}` says why"
    try:
        answer = httpx.get(url, timeout=10)
    except httpx.HTTPError as error:
        return Finding(name, "missing", f"no answer at {url}: {error}", fix)
    said = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if not answer.is_success:
        found = f"{url} answers {answer.status_code}: {said.get('detail', '')}"
        return Finding(name, "missing", found, fix)
    if degraded := said.get("degraded"):
        found = "; ".join(f"{what}: {why}" for what, why in degraded.items())
        return Finding(name, "missing", found, fix)
    return Finding(name, "ok", url)
