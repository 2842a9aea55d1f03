"""Another time of day for the processes of one host, while they run.

clock(folder) makes what is loaded into them (clock.c); stepped(library, file) is their environment. The library that
Debian has for this also touches every wait with a timeout: hosts took six times the processor time, and nothing about
how fast they are could be found out.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
COMPILER = shutil.which("cc")
"""None: no clock can be stepped here."""


def clock(folder: Path) -> Path | None:
    """The library, made in this folder; None where there is no compiler."""
    if COMPILER is None:
        return None
    made = folder / "clock.so"
    subprocess.run([COMPILER, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], check=True)
    return made


def stepped(library: Path | None, file: Path) -> dict[str, str]:
    """Nothing without a library. The file holds seconds, as in "+3600"."""
    return {} if library is None else {"LD_PRELOAD": str(library), "CLOCK_OFF_BY": str(file)}
