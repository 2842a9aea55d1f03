"""The database tests once more, on PostgreSQL, where there is one: in a run of their own with its own database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.databases import postgresql_url

ROOT = Path(__file__).resolve().parents[2]
URL = postgresql_url()

# A run that has TEST_DATABASE_URL is on PostgreSQL as a whole; where there is none, the header of the run says so.
if URL is not None and "TEST_DATABASE_URL" not in os.environ:

    def test_what_holds_on_sqlite_holds_on_postgresql() -> None:
        assert URL is not None
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "database", "tests/chat"],
            cwd=ROOT,
            env={**os.environ, "TEST_DATABASE_URL": f"{URL}_{os.getpid()}"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout
