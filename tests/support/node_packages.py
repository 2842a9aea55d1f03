"""Packages of npm that tests use: installed into the folder of tests that names them, once."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path


def install_packages(folder: Path) -> None:
    """What `package-lock.json` there names; of several test processes the first does it and the others wait."""
    packages = folder / "node_modules"
    packages.mkdir(exist_ok=True)
    done = packages / ".package-lock.json"
    with (packages / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        wanted = folder / "package-lock.json"
        if done.exists() and done.stat().st_mtime >= wanted.stat().st_mtime:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("these tests need Node.js with npm: see scripts/test-requirements")
        # Not `ci`: it would delete the directory, and our guard with it.
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-save"], cwd=folder, check=True, timeout=300)
        done.touch()
