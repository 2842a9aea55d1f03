"""The installing script, with Pythons and a pip that only pretend: what it says, and what it leaves behind."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Stands for Python: `-c` answers as one of a version would, `-m venv` makes an environment with a pip.
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then
    case $2 in *version_info*) exit {is_old} ;; esac
    echo {version}
    exit 0
fi
mkdir -p "$3/bin"
touch "$3/bin/python"
printf '#!/bin/sh\\n{pip}' > "$3/bin/pip"
chmod +x "$3/bin/pip"
exit {venv_fails}
"""
PIP = r"echo Collecting daphne==4\necho Collecting django==5\necho Installing collected packages: daphne\n"
BROKEN_PIP = r"echo No matching distribution found\nexit 1\n"


def fake_python(directory: Path, *, version: str = "3.12.1", pip: str = PIP, venv_fails: int = 0) -> Path:
    path = directory / "python"
    is_old = int(version.startswith(("3.9", "3.10")))
    path.write_text(PYTHON.format(is_old=is_old, version=version, pip=pip, venv_fails=venv_fails))
    path.chmod(0o755)
    return path


def install(python: Path | str, environment: Path) -> tuple[int, str]:
    """(exit code, what it said)."""
    done = subprocess.run(
        [ROOT / "scripts/install", str(python), str(environment), "requirements.txt"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_it_says_what_happens(tmp_path: Path) -> None:
    """It was silent for forty seconds."""
    code, said = install(fake_python(tmp_path), tmp_path / "venv")
    assert code == 0
    assert said.splitlines()[0].startswith(f"Installing Reaktor into {tmp_path / 'venv'}. This takes about a minute")
    assert said.splitlines()[-1] == "Installed."
    assert "Collecting" not in said


def test_on_a_terminal_it_says_how_far_it_is(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    words = [ROOT / "scripts/install", str(fake_python(tmp_path)), str(tmp_path / "venv"), "requirements.txt"]
    assert subprocess.run(words, stderr=theirs, timeout=30, check=False).returncode == 0
    os.close(theirs)
    said = os.read(terminal, 65_536).decode()
    os.close(terminal)
    assert "1 packages found, daphne" in said
    assert "2 packages found, now unpacking them" in said


@pytest.mark.parametrize("version", ["3.9.2", "3.10.14"])
def test_a_python_that_is_too_old_is_named_and_makes_nothing(tmp_path: Path, version: str) -> None:
    """A half-made environment stayed, which looked whole to the next `make`."""
    code, said = install(fake_python(tmp_path, version=version), tmp_path / "venv")
    assert code == 1
    assert f"needs Python 3.11 or later, and {tmp_path / 'python'} is {version}." in said
    assert "make run PYTHON=" in said
    assert not (tmp_path / "venv").exists()


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, said = install("python-of-nowhere", tmp_path / "venv")
    assert code == 1
    assert said.startswith("There is no python-of-nowhere here.")


@pytest.mark.parametrize("broken", ["venv", "pip"])
def test_what_was_half_made_is_removed_and_the_reason_shown(tmp_path: Path, broken: str) -> None:
    """Debian without python3-venv left an environment without pip."""
    python = fake_python(tmp_path, pip=BROKEN_PIP if broken == "pip" else PIP, venv_fails=int(broken == "venv"))
    code, said = install(python, tmp_path / "venv")
    assert code == 1
    assert ("No matching distribution found" in said) is (broken == "pip")
    assert not (tmp_path / "venv").exists()


def test_an_environment_that_was_there_before_is_kept_when_its_update_fails(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/kept").touch()
    assert install(fake_python(tmp_path, pip=BROKEN_PIP), tmp_path / "venv")[0] == 1
    assert (tmp_path / "venv/kept").exists()
