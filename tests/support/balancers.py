"""The balancers that we ship (deploy/balancers), run for real on ports of their own, in front of hosts here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.nginx import PATH, own_places
from tests.support.ports import free_port, is_listening, wait_for

SHIPPED = Path(__file__).resolve().parents[2] / "deploy/balancers"
BALANCERS = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}
RUN = {
    "nginx": ("-g", "daemon off;", "-c"),
    "haproxy": ("-db", "-f"),
    "caddy": ("run", "--adapter", "caddyfile", "--config"),
}


def find(name: str) -> str | None:
    """The program, where it is installed."""
    return shutil.which(name, path=PATH)


def adapted(name: str, folder: Path, *, hosts: tuple[int, int], port: int, insecure_port: int) -> Path:
    """The shipped file with the places and ports of here in it; each of them must be there to be replaced."""
    own = own_places(folder)
    replaced = {
        "nginx": [
            ("listen 80;", f"listen 127.0.0.1:{insecure_port};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("/etc/nginx/tls/", f"{folder}/"),
            ("pid /run/nginx.pid;", f"{own['user']}pid {folder}/nginx.pid;"),
            ("access_log /dev/stdout", f"access_log {folder}/access.log"),
            ("worker_processes auto;", "worker_processes 1;"),
            ("http {\n", f"http {{\n{own['paths']}"),
        ],
        "haproxy": [
            ("bind :80\n", f"bind 127.0.0.1:{insecure_port}\n"),
            ("bind :443 ", f"bind 127.0.0.1:{port} "),
            ("/etc/haproxy/tls/", f"{folder}/"),
            ("maxconn 20000", "maxconn 1000"),
        ],
        "caddy": [
            ("\tservers {", f"\tadmin off\n\thttp_port {insecure_port}\n\thttps_port {port}\n\tservers {{"),
            ("\nchat.example {\n", f"\nhttps://127.0.0.1 {{\n\ttls {folder}/fullchain.pem {folder}/privkey.pem\n"),
        ],
    }
    text = (SHIPPED / BALANCERS[name]).read_text()
    places = (("10.0.0.5:8000", f"127.0.0.1:{hosts[0]}"), ("10.0.0.6:8000", f"127.0.0.1:{hosts[1]}"))
    for shipped, here in (*replaced[name], *places):
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    file = folder / BALANCERS[name]
    file.write_text(text)
    return file


@contextmanager
def balancer(name: str, folder: Path, hosts: tuple[int, int]) -> Iterator[str]:
    """The https URL of one that runs in front of these ports; its certificate is in `folder`."""
    executable = find(name)
    assert executable is not None
    folder.mkdir(exist_ok=True)
    make_certificate(folder)
    port = free_port()
    configuration = adapted(name, folder, hosts=hosts, port=port, insecure_port=free_port())
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [executable, *RUN[name], str(configuration)],
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None, 20, f"{name} to listen")
        assert process.poll() is None, (folder / "log").read_text()
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
