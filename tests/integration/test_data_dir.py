"""A whole server whose DATA_DIR has every sign in its name that means something somewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.native import NativeClient
from tests.support.server import LiveServer

NAME = "a b#c?d%20e+f=g:h&i"


@pytest.mark.long
async def test_a_server_works_in_a_directory_whatever_its_name(tmp_path: Path) -> None:
    """Its database was made somewhere else, its Redis was not found, or its workers could not listen."""
    directory = tmp_path / NAME / "data"
    directory.parent.mkdir()
    server = LiveServer(directory, command=[sys.executable, "manage.py", "runcluster"], WORKERS="1")
    directory.mkdir()
    server.prepare(accounts=1)
    server.start()
    try:
        async with await NativeClient.connect(server.url, server.account()[1]) as ann:
            await ann.join("general")
            await ann.post("general", "here")
    finally:
        server.stop()
    assert (os.listdir(tmp_path), os.listdir(tmp_path / NAME)) == ([NAME], ["data"])
    assert "reaktor.sqlite3" in os.listdir(directory)
