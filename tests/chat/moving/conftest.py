"""A Redis to move from, and the command that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.core.management import call_command

from tests.support.redis import running_redis
from tests.support.seed_redis import SeedRedis

Run = Callable[..., str]


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture
def old(url: str) -> Iterator[SeedRedis]:
    found = SeedRedis(url)
    yield found
    found.close()


@pytest.fixture
def run(url: str) -> Run:
    """run(*options) → what the command said."""

    def run(*options: str) -> str:
        out = StringIO()
        call_command("import_reaktor", "--redis", url, *options, stdout=out, skip_checks=True)
        return out.getvalue()

    return run
