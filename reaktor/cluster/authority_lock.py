"""The lock on DATA_DIR: whoever has it is the one server that works there, with the one authority.

A file that is locked, not a file that is there: the kernel frees it with the process, however that ends. It says which
process has it. Locked files are no protection between hosts, so a DATA_DIR belongs to one host.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from reaktor.cluster.failures import DataDirError

FILE = "authority.lock"

_held: dict[Path, int] = {}


def hold(data_dir: Path, port: int) -> None:
    """Keep every other server out of the directory until this process ends, or let_go(). May be repeated.

    Raises DataDirError, in words for whoever started this server.
    """
    path = data_dir / FILE
    if path in _held:
        return
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirError(f"DATA_DIR: can't use {path}: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise DataDirError(
            f"Another server works in {data_dir} ({_holder(path)}). Give each server a DATA_DIR of its own."
        ) from error
    except OSError as error:
        os.close(lock)
        raise DataDirError(f"DATA_DIR: can't lock {path}: {error.strerror}.") from error
    _held[path] = lock
    text = json.dumps({"pid": os.getpid(), "port": port}).encode()
    os.pwrite(lock, text, 0)
    os.ftruncate(lock, len(text))


def identity(data_dir: Path) -> str:
    """The file that is locked, as no other machine or directory has it: whoever held it before is dead while we do."""
    found = os.stat(data_dir / FILE)
    return f"{_boot_id()}.{found.st_dev:x}.{found.st_ino:x}"


def let_go(data_dir: Path) -> None:
    """Let another server in; may be repeated. The file stays: who waits for it holds this very one."""
    lock = _held.pop(data_dir / FILE, None)
    if lock is not None:
        os.close(lock)


def _boot_id() -> str:
    """Of this start of the kernel. Where it has none, something new each time: then nobody is known to be dead."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return secrets.token_hex(8)


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text())
        return f"process {int(found['pid'])}, port {int(found['port'])}"
    return "it is just starting"
