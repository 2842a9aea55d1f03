"""Fixtures that every test may use: real servers, started once per run and shared.

Tests that share a server keep to accounts and channels of their own. make_server(**environment) starts another one.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import TransactionTestCase
from hypothesis import settings

from tests.support.databases import empty_tables, postgresql_url
from tests.support.server import LiveServer

MakeServer = Callable[..., LiveServer]
ROOT = Path(__file__).parent


# The same examples in each run, however slow the machine is: a commit passes or it doesn't. `make explore` is for
# finding new ones.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")

# What starts real servers shares them within its folder, and so runs in one process. They wait a lot, so more processes
# than cores keep these busy. Groups in the order in which they begin, the longest first.
GROUPS = ("cluster", "integration", "faults", "postgresql", "autobahn", "interop", "docs", "deployment")
WITH = {"browser": "faults"}
"""In the same process as that folder: Chromium breaks off what it loads when a network device comes or goes."""

BETWEEN = ("sio25", "sio31")
"""Clients between the oldest generation and the newest: what they do is left to the long tests."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """For `pytest --dist loadgroup` (make test): what runs together first, everything else beside and behind it.

    Around all other hooks: xdist reads the groups in its own, and pytest-django puts the tests of the database first.
    With --no-loadscope-reorder, since xdist would put the groups of most tests first.
    """

    def place(item: pytest.Item) -> int:
        group = item.get_closest_marker("xdist_group")
        return GROUPS.index(group.args[0]) if group else len(GROUPS)

    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        group = WITH.get(folder, folder)
        if group in GROUPS and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
        callspec = getattr(item, "callspec", None)
        if item.path.parent.name == "interop" and callspec and callspec.params.get("library") in BETWEEN:
            item.add_marker(pytest.mark.long)
    yield
    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def quick_flush() -> None:
    """Tests of `django_db(transaction=True)` leave empty tables behind, sooner than Django's own way."""
    TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[method-assign]


def pytest_report_header() -> str:
    """On what the tests marked `database` run."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return f"database tests: on {url.split(':', 1)[0]} (TEST_DATABASE_URL)"
    other = "and on PostgreSQL" if postgresql_url() else "only; no PostgreSQL on 127.0.0.1:5432 lets us in"
    return f"database tests: on SQLite {other}"


def _made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[LiveServer], None]) -> LiveServer:
    """A server that is never started. Of several test processes the first makes it, and the others wait for it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    server, done = LiveServer(root / name), root / f"{name}.json"
    with (root / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists():
            make(server)
            done.write_text(json.dumps(server.pool))
    server.pool = [(username, token) for username, token in json.loads(done.read_text())]
    return server


@pytest.fixture(scope="session")
def migrated_server(tmp_path_factory: pytest.TempPathFactory) -> LiveServer:
    """Never started: a migrated database without anybody."""

    def make(server: LiveServer) -> None:
        server.data_dir.mkdir()
        server.migrate()

    return _made_once(tmp_path_factory, "migrated", make)


@pytest.fixture(scope="session")
def prepared_server(migrated_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> LiveServer:
    """Never started: a database with accounts, which all the others begin with."""

    def make(server: LiveServer) -> None:
        shutil.copytree(migrated_server.data_dir, server.data_dir)
        server.prepare()

    return _made_once(tmp_path_factory, "prepared", make)


@pytest.fixture(scope="session")
def make_server(prepared_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """make_server(**environment) → a running LiveServer; all of them end with the test run."""
    made: list[LiveServer] = []
    numbers = itertools.count(1)

    def make(**options: str) -> LiveServer:
        data_dir: Path = tmp_path_factory.mktemp("servers") / str(next(numbers))
        server = prepared_server.copy(data_dir, **options)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()
        assert "Traceback" not in server.log(), f"something went wrong unseen:\n{server.log()}"


@pytest.fixture(scope="session")
def server(make_server: MakeServer) -> LiveServer:
    """A server with the defaults that everybody gets."""
    return make_server()
