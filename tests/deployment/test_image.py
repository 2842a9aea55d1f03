"""The image itself: built from docker/Dockerfile, started as compose.yaml does, checked as an engine does; and a chat.

PostgreSQL and Redis are real. Of compose.yaml's environment only the addresses are others: here there are no names
`postgres` and `redis`, and the port is a free one. `make image-test`; root, buildah and debootstrap are needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from reaktor.cluster.redis import find_executable
from tests.support import image
from tests.support.databases import own_database, postgresql_url
from tests.support.image import Container
from tests.support.native import NativeClient
from tests.support.ports import free_port, is_listening, wait_for

pytestmark = pytest.mark.image
ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
PASSWORD = "correct horse battery"
START_S = 300.0
"""A machine that does much else at the same time."""


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    """The image's configuration, after it was built from the files as they are now."""
    missing = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    assert not missing, f"needed: {', '.join(missing)} (scripts/test-requirements installs them)"
    assert os.geteuid() == 0, "building a base system needs root"
    image.build()
    return image.configuration()


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """A Redis that is started as compose.yaml starts it."""
    port = free_port()
    options = COMPOSE["redis"]["command"][1:]
    process = subprocess.Popen(
        [find_executable(), *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_listening(port), 30, "Redis")
        yield port
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def database_url() -> Iterator[str]:
    server = postgresql_url()
    assert server is not None, "needed: a PostgreSQL on 127.0.0.1:5432 that lets us in, or TEST_DATABASE_URL"
    with own_database(server, f"reaktor_image_{os.getpid()}") as url:
        yield url


def environment(database_url: str, redis_port: int, port: int) -> dict[str, str]:
    """What compose.yaml gives the server, with the addresses of this machine."""
    server = COMPOSE["reaktor"]
    lines = (ROOT / server["env_file"]).read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#")) | server["environment"]
    here = {
        "DATABASE_URL": database_url,
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "REGISTRATION": "open",
        "PORT": str(port),
    }
    assert set(here) - set(given) == {"PORT"}, "compose.yaml gives what is replaced here"
    return given | here


@contextmanager
def running(built: dict[str, Any], given: dict[str, str], data: Path, log: Path) -> Iterator[Container]:
    """A container that serves; at the end it is stopped, in the time that compose.yaml gives it, and removed."""
    container = Container(given, data, log)
    try:
        before = written_by_the_user(container)
        process = container.start([*built["Entrypoint"], *built["Cmd"]])
        try:
            wait_for(lambda: "listening" in container.said() or process.poll() is not None, START_S, "the server")
            assert process.poll() is None, container.said()
            yield container
        finally:
            code = image.stop(process, float(COMPOSE["reaktor"]["stop_grace_period"].removesuffix("s")) * 5)
        assert code == 0, container.said()
        assert "Traceback" not in container.said()
        # compose.yaml lets it write to /data and /tmp alone.
        assert written_by_the_user(container) == before
        assert not health(built, container)
    finally:
        container.remove()


def written_by_the_user(container: Container) -> set[str]:
    """What the server's user owns in the root file system: /data, /tmp are mounted over it."""
    root = str(container.root())
    found = subprocess.run(["find", root, "-xdev", "-uid", str(image.UID)], capture_output=True, text=True, check=True)
    return {line.removeprefix(root) for line in found.stdout.splitlines()} - {"/data"}


def health(built: dict[str, Any], container: Container) -> bool:
    """What the engine would find."""
    kind, *words = built["Healthcheck"]["Test"]
    assert kind == "CMD"
    return container.check(words, built["Healthcheck"]["Timeout"] / 1e9 * 12)


def test_the_image_says_who_runs_it_where_it_writes_and_how_it_is_checked(built: dict[str, Any]) -> None:
    assert built["User"] == f"{image.UID}:{image.UID}"
    assert list(built["Volumes"]) == ["/data"]
    assert built["StopSignal"] == "SIGTERM"
    # In the other format of images there is no such thing, and builders leave it out.
    assert built["Healthcheck"]["Test"] == ["CMD", "healthcheck"]
    assert "SECRET" not in json.dumps(built["Env"])


async def test_it_serves_twice_over_on_postgresql_and_redis_and_people_chat(
    built: dict[str, Any], database_url: str, redis_port: int, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, image.UID, image.UID)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)  # pytest's directories are for root alone
    port = free_port()
    given = environment(database_url, redis_port, port)
    url, tokens = f"http://127.0.0.1:{port}", {}
    for run in (1, 2):
        with running(built, given, data, tmp_path / f"log{run}") as container:
            assert health(built, container)
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                for name in ("ada", "bob"):
                    account = {"username": name, "password": PASSWORD}
                    path = "/api/v1/accounts" if run == 1 else "/api/v1/tokens"
                    answer = await http.post(path, json=account)
                    assert answer.status_code in (200, 201), answer.text
                    # In the second run the first one's tokens: the secrets stayed in the volume.
                    tokens.setdefault(name, answer.json()["access"])
                assert "/static/chat/main." in (await http.get("/")).text
            ada, bob = [await NativeClient.connect(url, tokens[name]) for name in ("ada", "bob")]
            history = [(await client.join("general"))["messages"] for client in (ada, bob)]
            assert [each["text"] for each in history[1]] == ["run 1"][: run - 1]
            await ada.post("general", f"run {run}")
            assert (await bob.message(f"run {run}"))["author"] == "ada"
            await ada.close()
            await bob.close()
