"""The balancers that we ship write down who asked for what, and nothing that opens something to whoever reads it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.balancers import BALANCERS, balancer
from tests.support.certificates import trust
from tests.support.nginx import Nginx
from tests.support.ports import free_port, wait_for

SECRET = "zqSECRET7719"
PATHS = (
    f"/socket.io/?EIO=3&transport=polling&token={SECRET}",
    f"/api/v1/files/018f0000-0000-7000-8000-000000000000/a.txt?ticket={SECRET}",
    f"/hooks/rkh_{SECRET}",
    f"/api/v1/hooks/{SECRET}?x=1",
    f"/api/v1/invites/{SECRET}",
    f"/api/v1/invites/{SECRET}/accept",
    f"/api/v1/server-invites/{SECRET}",
    f"/notices/unsubscribe/{SECRET}",
    "/seen",
)


def ask(url: str, folder: Path) -> None:
    """All of these, of hosts that are away: then more is written than usual."""
    with (
        httpx.Client(base_url=url, verify=trust(folder), timeout=20) as http,
        ThreadPoolExecutor(len(PATHS)) as threads,
    ):
        # At once: Caddy looks for a host that is there for some seconds.
        for answer in threads.map(http.get, PATHS[:-1]):
            assert answer.status_code in {502, 503}
            assert answer.headers["x-content-type-options"] == "nosniff"
        http.get(PATHS[-1])


def written(folder: Path) -> str:
    names = ("log", "access.log", "error.log", "balancer.log")
    return "".join((folder / name).read_text() for name in names if (folder / name).exists())


@pytest.mark.parametrize("name", BALANCERS)
def test_a_balancers_log_holds_no_token_and_no_code(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    with balancer(name, folder, (free_port(), free_port())) as url:
        ask(url, folder)
        if name != "caddy":  # it keeps no log of requests
            wait_for(lambda: "/seen" in written(folder), 10, "the last line")
            assert "/hooks/***" in written(folder)
    assert SECRET not in written(folder)


def test_nor_does_that_of_the_proxy_beside_the_container(tmp_path: Path) -> None:
    proxy = Nginx(tmp_path, free_port())
    proxy.start()
    try:
        ask(proxy.url, tmp_path)
        wait_for(lambda: "/seen" in written(tmp_path), 10, "the last line")
    finally:
        proxy.stop()
    assert "/hooks/***" in written(tmp_path)
    assert SECRET not in written(tmp_path)
