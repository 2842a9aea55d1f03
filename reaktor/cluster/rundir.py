"""The run directory of the cluster on one port: its sockets, who runs it, and the lock that keeps a second one out.

Commands find a live server here without being told. Everything in it is private to its user (0700).
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from reaktor.cluster.failures import RunDirError
from reaktor.config.model import SERVER_FILE

# The address of a Unix socket has room for 103 bytes on macOS and the BSDs, for 107 on Linux. Redis cuts longer ones
# without a word.
MAX_SOCKET_PATH_BYTES = 103
LONGEST_NAME = "worker-999.9999999.sock"
SHORT = Path("/tmp")  # noqa: S108  the directory made there is private, and refused when it is somebody else's


class RunDir:
    """Paths below var/run/<port>/, and in a short private directory for sockets where those would be too long."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._written: dict[str, Any] = {}
        self.sockets = path
        if not _is_short(path):
            digest = blake2b(os.fsencode(path), digest_size=6).hexdigest()
            name = f"reaktor-{os.getuid()}-{digest}"
            private = Path(tempfile.gettempdir()) / name
            self.sockets = private if _is_short(private) else SHORT / name

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def supervisor_file(self) -> Path:
        return self.path / SERVER_FILE

    @property
    def bus_socket(self) -> Path:
        """Where a server that is one process listens to commands."""
        return self.sockets / "bus.sock"

    def worker_socket(self, slot: int, incarnation: int) -> Path:
        """Where one worker listens for the others of its cluster."""
        return self.sockets / f"worker-{slot}.{incarnation}.sock"

    def claim(self, port: int) -> None:
        """Create the directory and become its one supervisor. Raises RunDirError when another one is."""
        for directory in {self.path, self.sockets}:
            _private(directory)
        lock = os.open(self.supervisor_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            pid = (self.supervisor() or {}).get("pid", "unknown")
            raise RunDirError(f"Reaktor is already running on port {port} (process {pid}).") from error
        self._lock = lock
        for stale in self.sockets.glob("*.sock"):
            stale.unlink(missing_ok=True)
        self._written = {"pid": os.getpid(), "port": port, "started": time.time()}
        self.tell()

    def tell(self, **more: str) -> None:
        """Write what commands may want to know of this server beside its pid, port and start. After claim().

        `bus`: where it hears what they have to say (reaktor.process.announce).
        """
        assert self._lock is not None  # noqa: S101  claim() has made it
        self._written |= more
        text = json.dumps(self._written).encode()
        # In this order no reader finds an empty file.
        os.pwrite(self._lock, text, 0)
        os.ftruncate(self._lock, len(text))

    def release(self) -> None:
        """Remove what was made and let another supervisor in; may be repeated."""
        if self._lock is None:
            return
        for left in self.sockets.glob("*.sock"):
            left.unlink(missing_ok=True)
        if self.sockets != self.path:
            with suppress(OSError):
                self.sockets.rmdir()
        self.supervisor_file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def supervisor(self) -> dict[str, Any] | None:
        """What the supervisor wrote about itself (pid, port, started, bus?), whether it lives or not; None: nothing."""
        try:
            found = json.loads(self.supervisor_file.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def _is_short(directory: Path) -> bool:
    return len(os.fsencode(directory / LONGEST_NAME)) <= MAX_SOCKET_PATH_BYTES


def _private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise RunDirError(f"{directory} is not a directory of this user.")
        directory.chmod(0o700)
    except OSError as error:
        raise RunDirError(f"Can't use {directory}: {error.strerror}.") from error
