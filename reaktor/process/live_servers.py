"""Which servers live on this data directory, for commands that are told no port.

Read from the run directories: each live server has written there who it is, and removes it when it ends.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaktor.config.model import SERVER_FILE, Config


@dataclass(frozen=True, slots=True)
class LiveServer:
    """One of them: its port, its run directory, and what it wrote about itself (pid, port, started, bus?)."""

    port: int
    run_dir: Path
    said: dict[str, Any]


def live_servers(config: Config) -> list[LiveServer]:
    """The server on PORT where PORT is given; else all that live on the data directory, by port."""
    if config.cluster.is_port_given:
        candidates = [config.run_dir]
    else:
        candidates = [file.parent for file in config.run_dirs.glob(f"*/{SERVER_FILE}")]
    found = [server for server in map(_server_in, candidates) if server is not None]
    return sorted(found, key=lambda server: server.port)


def _server_in(run_dir: Path) -> LiveServer | None:
    try:
        said = json.loads((run_dir / SERVER_FILE).read_text())
        port, pid = int(said["port"]), int(said["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return LiveServer(port, run_dir, said) if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    """A server that was killed leaves its file behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
