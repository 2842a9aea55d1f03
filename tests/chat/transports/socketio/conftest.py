"""The process that the tests of this folder talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.socketio_place import Place, serving_place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with serving_place(tmp_path) as found:
        yield found
