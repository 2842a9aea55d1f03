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


BALANCER = """{user}pid {folder}/balancer.pid;
error_log {folder}/balancer.log;
worker_processes 1;
events {{ worker_connections 4096; }}
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
            proxy_next_upstream {next_upstream};
            proxy_connect_timeout 1s;
            proxy_read_timeout 3600s;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            add_header X-Served-By $upstream_addr always;
        }}
    }}
}}
"""


@contextmanager
def round_robin(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The URL of an nginx that sends each request to the next of these ports, whoever asks, and to no other one."""
    with balancer(folder, [f"127.0.0.1:{port}" for port in ports], next_upstream="off", options="max_fails=0") as url:
        yield url


@contextmanager
def balancer(
    folder: Path,
    servers: Sequence[str],
    *,
    port: int | None = None,
    next_upstream: str = "error timeout http_503",
    options: str = "max_fails=1 fail_timeout=1s",
) -> Iterator[str]:
    """The URL of an nginx that sends each request to the next of these servers, and past those that do not answer.

    Who answered stands in the header X-Served-By.
    """
    executable = shutil.which("nginx", path=PATH)
    assert executable is not None, "scripts/test-requirements installs nginx"
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    configuration = folder / "balancer.conf"
    named = " ".join(f"server {each} {options};" for each in servers)
    given = {"folder": folder, "port": port, "servers": named, "next_upstream": next_upstream, **own_places(folder)}
    configuration.write_text(BALANCER.format(**given))
    command = [executable, "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, 10, "nginx to listen")
        assert process.poll() is None, (folder / "balancer.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def own_places(folder: Path) -> dict[str, str]:
    """Beside what is shipped: where nginx keeps what it buffers, and that root's workers may go there."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return {"paths": paths, "user": "user root;\n" if os.geteuid() == 0 else ""}
