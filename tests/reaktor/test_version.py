"""The version stands in one place, and whoever asks is told that one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

import reaktor
from tests.support.scraping import scrape
from tests.support.server import LiveServer
from tests.support.staff import at_admin, root

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_takes_its_version_from_the_code() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in described["project"]
    assert described["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "reaktor.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", reaktor.__version__)


def test_the_changelog_begins_with_this_release_or_with_what_comes_after_it() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0].split()[0] == reaktor.__version__


def test_readiness_and_metrics_tell_it(server: LiveServer) -> None:
    ready = httpx.get(f"{server.url}/readyz").json()
    assert ready["version"] == reaktor.__version__
    figures = scrape(server.url)
    assert figures[f'reaktor_build_info{{host="{ready["host"]}",version="{reaktor.__version__}"}}'] == 1
    assert figures["reaktor_hosts_alive"] == 1
    assert figures[f'reaktor_lease_holder{{host="{ready["host"]}"}}'] == 1


@pytest.mark.django_db
def test_every_page_of_the_admin_tells_it() -> None:
    page = at_admin(root()).get("/admin/")
    assert f"Reaktor {reaktor.__version__}" in page.content.decode()


def test_reading_it_takes_no_settings(tmp_path: Path) -> None:
    """Tools that build packages import the package where nothing is configured."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import reaktor; print(reaktor.__version__)"
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.strip() == reaktor.__version__
