"""The check on import circles sees every kind of import, names what it found, and is content with layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).resolve().parents[2] / "scripts" / "import_circles.py"


def checked(directory: Path, modules: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Write the modules, given as `package.module`, and run the check over their packages."""
    packages = sorted({name.partition(".")[0] for name in modules})
    for package in packages:
        (directory / package).mkdir()
        (directory / package / "__init__.py").touch()
    for name, text in modules.items():
        package, _, module = name.partition(".")
        (directory / package / f"{module}.py").write_text(text)
    command = [sys.executable, str(CHECK), *packages]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)


def test_layers_pass(tmp_path: Path) -> None:
    found = checked(tmp_path, {"up.page": "from down import rules\n", "down.rules": "import down.values\n",
                               "down.values": ""})  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "No import circle in 5 modules.\n"


def test_a_circle_is_named_with_its_importing_lines_however_it_hides(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        {
            "house.door": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from house.hall import Hall\n",
            "house.hall": "import house.wall\n",
            "house.wall": "import os\n\ndef build() -> None:\n    from house import door\n",
            "house.roof": "import house.wall\n",
        },
    )
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "Import circle: house.door, house.hall, house.wall",
        "  house.door imports house.hall in line 4: from house.hall import Hall",
        "  house.hall imports house.wall in line 1: import house.wall",
        "  house.wall imports house.door in line 4: from house import door",
    ]


def test_each_circle_is_named_by_itself_and_packages_count_together(tmp_path: Path) -> None:
    modules = {"left.a": "import right.a\n", "right.a": "import left.a\n", "left.b": "import left.c\n",
               "left.c": "import left.b\nimport left.a\n"}  # fmt: skip
    found = checked(tmp_path, modules)
    assert found.returncode == 1
    assert [line for line in found.stdout.splitlines() if not line.startswith(" ")] == [
        "Import circle: left.a, right.a",
        "Import circle: left.b, left.c",
    ]
