"""The protocol client for JavaScript in Node alone, against a real server: no browser, no page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.server import PASSWORD, LiveServer

PROGRAM = Path(__file__).parents[1] / "chat" / "static" / "node_client.mjs"
WAIT_S = 60.0


def test_two_clients_in_node_talk_to_each_other(server: LiveServer) -> None:
    node = shutil.which("node")
    assert node is not None, "Node is needed: see scripts/test-requirements"
    accounts = [word for name in ("nodeada", "nodebob") for word in (server.account(name)[0], PASSWORD)]
    command = [node, "--experimental-websocket", str(PROGRAM), server.url, *accounts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
