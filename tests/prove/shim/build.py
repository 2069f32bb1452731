"""Builds the library with the machine's own compiler."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("shim.c")


def built(folder: Path) -> Path:
    """Compile it into *folder* and return the library. Raises `RuntimeError` if this machine cannot."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError(
            "This proof stands between a process and its disk, with a small library in C: it needs a C compiler, and "
            "there is no cc, gcc or clang on this machine. Install one (Debian: apt-get install gcc libc6-dev)."
        )
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the machine's compiler
    if said.returncode != 0:
        raise RuntimeError(f"{compiler} could not build {_SOURCE.name}, which needs Linux with glibc:\n{said.stderr}")
    return library


def environment(library: Path) -> Mapping[str, str]:
    """Return the environment of a process that the library stands before."""
    return {**os.environ, "LD_PRELOAD": str(library)}
