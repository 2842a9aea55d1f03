"""A real nginx with the configuration that we ship, on ports of its own, in front of a server on this machine."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.certificates import make_certificate, trust
from tests.support.ports import free_port, is_listening, wait_for

SHIPPED = Path(__file__).resolve().parents[2] / "docker/nginx/nginx.conf"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Nginx:
    """start(), stop(), start() again on the same ports. `url` is https; `insecure_url` only redirects."""

    def __init__(self, folder: Path, upstream_port: int) -> None:
        self._folder = folder
        self.port, self.insecure_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.insecure_url = f"http://127.0.0.1:{self.insecure_port}"
        self.access_log = folder / "access.log"
        self._process: subprocess.Popen[bytes] | None = None
        make_certificate(self._folder)
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(self._adapted(SHIPPED.read_text(), upstream_port))

    def _adapted(self, text: str, upstream_port: int) -> str:
        """The shipped text with this machine's places in it; each of them must be there to be replaced."""
        for shipped, here in (
            ("server reaktor:8000;", f"server 127.0.0.1:{upstream_port};"),
            ("listen 80;", f"listen 127.0.0.1:{self.insecure_port};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("/etc/nginx/tls/", f"{self._folder}/"),
            ("pid /run/nginx.pid;", f"pid {self._folder}/nginx.pid;"),
            ("access_log /dev/stdout", f"access_log {self.access_log}"),
            ("worker_processes auto;", "worker_processes 1;"),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        own = own_places(self._folder)
        return own["user"] + text.replace("http {\n", f"http {{\n{own['paths']}", 1)

    def trust(self) -> ssl.SSLContext:
        """A context that believes this nginx and nobody else."""
        return trust(self._folder)

    def start(self) -> None:
        """Start it and wait until it listens."""
        executable = shutil.which("nginx", path=PATH)
        assert executable is not None, "scripts/test-requirements installs nginx"
        command = [executable, "-p", str(self._folder), "-c", str(self._configuration), "-g", "daemon off;"]
        self._process = subprocess.Popen(command, stderr=(self._folder / "error.log").open("ab"))
        wait_for(lambda: is_listening(self.port) or self._process.poll() is not None, 10, "nginx to listen")
        assert self._process.poll() is None, (self._folder / "error.log").read_text()

    def stop(self) -> None:
        """End it at once, its connections included; may be repeated."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


ROUND_ROBIN = """{user}pid {folder}/robin.pid;
error_log {folder}/robin.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{paths}
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream hosts {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://hosts;
            proxy_http_version 1.1;
            proxy_next_upstream off;
            proxy_read_timeout 3600s;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""


@contextmanager
def round_robin(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The URL of an nginx that sends each request to the next of these ports, whoever asks."""
    executable = shutil.which("nginx", path=PATH)
    assert executable is not None, "scripts/test-requirements installs nginx"
    folder.mkdir(exist_ok=True)
    port = free_port()
    configuration = folder / "robin.conf"
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
    configuration.write_text(ROUND_ROBIN.format(folder=folder, port=port, servers=servers, **own_places(folder)))
    command = [executable, "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, 10, "nginx to listen")
        assert process.poll() is None, (folder / "robin.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def own_places(folder: Path) -> dict[str, str]:
    """Beside what is shipped: where nginx keeps what it buffers, and that root's workers may go there."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return {"paths": paths, "user": "user root;\n" if os.geteuid() == 0 else ""}
