"""A disk that hangs while a file exists: fsync and fdatasync of one process don't return."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.stack import LocalStack, Options

_CODE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int after(const char *name, int file) {
    const char *hangs = getenv("HANGS_WHILE");
    while (hangs && access(hangs, F_OK) == 0) usleep(10000);
    return ((int (*)(int)) dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return after("fsync", file); }
int fdatasync(int file) { return after("fdatasync", file); }
"""


@dataclass(frozen=True)
class Disk:
    """The library that a process is started with, and the file that makes it hang."""

    library: Path
    hangs: Path


def disk(folder: Path) -> Disk | None:
    """Compiled into `folder`; None where there is no compiler (or no Linux)."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/proc/self/maps").exists():
        return None
    code, library = folder / "hanging.c", folder / "hanging.so"
    code.write_text(_CODE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, code, "-ldl"], check=True)
    return Disk(library, folder / "hangs")


class HangingStack(LocalStack):
    """A stack whose serving writes to such a disk."""

    def __init__(self, options: Options, place: Disk | None) -> None:
        super().__init__(options)
        self.disk = place

    def _component(self, name: str, needs: tuple[str, ...]) -> ProcessSpec:
        spec = super()._component(name, needs)
        if self.disk is None or name != "serving":
            return spec
        more = {"LD_PRELOAD": str(self.disk.library), "HANGS_WHILE": str(self.disk.hangs)}
        return replace(spec, environment={**spec.environment, **more})
