"""Secrets for a server that was given none: made once, kept in the data directory, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def development_secret(data_dir: Path, name: str) -> str:
    """The secret stored as `data_dir/<name>` (0600), made on first use; two processes that race get the same one."""
    path = data_dir / name
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    # Written aside, then linked: a reader never sees half a secret, and the first of two writers wins.
    aside = data_dir / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text(encoding="ascii")
