"""The release before and the one after, as trees of their own, for hosts that are upgraded one after another.

this_release(folder) is the last release, next_release(folder) the working tree with the version of what processes say
to each other raised by one, as the next release may have it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from chat.membership.wire import READABLE

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("accounts", "chat", "reaktor", "tests", "manage.py", "pyproject.toml")
WIRE = Path("chat/membership/wire.py")
_VERSION = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)


def this_release(folder: Path) -> Path:
    """The tree of the last release; our own where its hosts can't live beside ours, or its commit is not here.

    The tests are ours: they make the settings that both releases run with.
    """
    tree = folder / "this"
    commit = _git("log", "-1", "--format=%H", "-G", "^__version__", "--", "reaktor/__init__.py").decode().strip()
    packed = _git("archive", commit) if commit else b""
    if packed:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(tree, filter="data")
        if _wire_of(tree) in READABLE:
            shutil.rmtree(tree / "tests")
            shutil.copytree(ROOT / "tests", tree / "tests", ignore=_ignored)
            return tree
        shutil.rmtree(tree)
    _copy(tree)
    return tree


def next_release(folder: Path) -> Path:
    """Our own tree, one version further."""
    tree = folder / "next"
    _copy(tree)
    text = (tree / WIRE).read_text()
    raised = _VERSION.sub(lambda found: f"VERSION = {int(found[1]) + 1}", text)
    assert raised != text
    (tree / WIRE).write_text(raised)
    return tree


def _wire_of(tree: Path) -> int:
    found = _VERSION.search((tree / WIRE).read_text())
    return int(found[1]) if found else 0


def _copy(tree: Path) -> None:
    tree.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tree / part, ignore=_ignored)
        else:
            shutil.copy(ROOT / part, tree / part)


_ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*")


def _git(*arguments: str) -> bytes:
    """What git says; nothing where there is no git, or no history."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
