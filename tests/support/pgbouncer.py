"""A real PgBouncer in transaction mode in front of a PostgreSQL that lets us in, on a port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.ports import free_port, is_listening, wait_for

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@contextmanager
def pgbouncer(url: str, *, connections: int) -> Iterator[str]:
    """The URL of the same database through it; to PostgreSQL it has so many connections at most."""
    executable = shutil.which("pgbouncer", path=PATH)
    if executable is None:
        pytest.skip("no pgbouncer is installed")
    parts, port = urlsplit(url), free_port()
    # It does not run as root, and whoever it runs as must get here.
    with tempfile.TemporaryDirectory(prefix="reaktor-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        file = folder / "pgbouncer.ini"
        password = f" password={parts.password}" if parts.password else ""
        file.write_text(f"""
[databases]
* = host={parts.hostname} port={parts.port or 5432} user={parts.username}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
""")
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([executable, *user, str(file)], stdout=log, stderr=log)
        try:
            wait_for(lambda: is_listening(port) or process.poll() is not None, 10, "PgBouncer")
            assert process.poll() is None, (folder / "log").read_text()
            yield f"postgres://{parts.username}@127.0.0.1:{port}{parts.path}"
        finally:
            process.terminate()
            process.wait(10)
