"""Autobahn's test suite for WebSockets: installed once, its fuzzing client run against a server, its verdicts read.

The suite is frozen at Python 2.7, so it lives with all that it needs in a directory of its own, and runs as a process
of that Python. Where there is none, install_suite() says so.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".autobahn"
RELEASE = "autobahntestsuite==25.10.1"
INSTALL_S = 600.0
AGENT = "reaktor"
_IS_PYTHON_27 = "import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))"
# addsitedir: one of its packages is spread over several places, and says so in a .pth file.
_WSTEST = f"import site; site.addsitedir({str(HOME / 'lib')!r}); from autobahntestsuite.wstest import run; run()"


class NoPython27Error(Exception):
    """This machine has no Python 2.7 with pip."""


@dataclass(frozen=True)
class Verdict:
    """What the suite says of one case. `close`: of how the connection ended; `received`: answers before that."""

    behavior: str
    close: str
    close_code: int | None
    received: int


def install_suite() -> str:
    """The Python that has the suite. Of several test processes the first installs it, and the others wait."""
    python = _python27()
    HOME.mkdir(exist_ok=True)
    with (HOME / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = HOME / ".installed"
        if not done.exists() or done.read_text() != RELEASE:
            command = [python, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(HOME / "lib"), RELEASE]
            subprocess.run(command, check=True, timeout=INSTALL_S)
            done.write_text(RELEASE)
    return python


def _python27() -> str:
    """`PYTHON27`, or what the PATH has, or what pyenv keeps. Raises NoPython27Error."""
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    for python in (os.environ.get("PYTHON27"), "python2.7", *sorted(glob.glob(f"{pyenv}/versions/2.7*/bin/python2.7"))):
        if python is None:
            continue
        try:
            found = subprocess.run([python, "-c", _IS_PYTHON_27], capture_output=True, timeout=60, check=False)
        except OSError:
            continue
        if found.returncode == 0:
            return python
    raise NoPython27Error(
        "Autobahn's test suite needs Python 2.7 with pip, and this machine has none; PYTHON27 may name it"
    )


class Fuzzer:
    """The fuzzing client at work on one server. `cases` are the suite's own patterns."""

    def __init__(self, python: str, url: str, directory: Path, cases: list[str]) -> None:
        self._reports = directory / "reports"
        self._log = directory / "log"
        spec = directory / "spec.json"
        server = {"agent": AGENT, "url": url}
        spec.write_text(json.dumps({"outdir": str(self._reports), "servers": [server], "cases": cases}))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-c", _WSTEST, "--mode", "fuzzingclient", "--spec", str(spec)],
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def verdicts(self, timeout_s: float) -> dict[str, Verdict]:
        """One for each case, when all have run."""
        self._process.wait(timeout_s)
        index = self._reports / "index.json"
        if not index.exists():
            raise RuntimeError(f"the suite did not get to its end:\n{self._log.read_text(errors='replace')[-4000:]}")
        found: dict[str, dict[str, Any]] = json.loads(index.read_text())[AGENT]
        return {case: self._verdict(entry) for case, entry in found.items()}

    def _verdict(self, entry: dict[str, Any]) -> Verdict:
        report = json.loads((self._reports / entry["reportfile"]).read_text())
        received = len(report["received"])
        return Verdict(entry["behavior"], entry["behaviorClose"], entry["remoteCloseCode"], received)

    def end(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
