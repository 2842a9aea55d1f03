"""The container's entry point in a directory and an environment as clean as the image's: twice over, and side by side.

The image is stood in for by a directory with what the Dockerfile copies; PostgreSQL and Redis are real.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.databases import own_database, postgresql_url
from tests.support.ports import free_port, wait_for
from tests.support.redis import RedisServer, running_redis

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
POSTGRESQL = postgresql_url()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/app of the image, its static files collected without a secret."""
    app = tmp_path_factory.mktemp("image") / "app"
    app.mkdir()
    for source in ("reaktor", "accounts", "chat"):
        shutil.copytree(ROOT / source, app / source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", app)
    shutil.copytree(ROOT / "docker", app.parent / "bin")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        cwd=app,
        env=clean_environment(DATA_DIR="/tmp"),
        check=True,
        timeout=60,
    )
    return app


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty PostgreSQL database where there is PostgreSQL, else SQLite; the parameter "sqlite" asks for that one."""
    if POSTGRESQL is None or getattr(request, "param", "") == "sqlite":
        yield f"sqlite:///{tmp_path}/chat.sqlite3"
        return
    with own_database(POSTGRESQL, f"reaktor_entry_{os.getpid()}") as url:
        yield url


def clean_environment(**variables: str) -> dict[str, str]:
    """What the image sets, and these; nothing of this shell's."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "reaktor.settings.production",
        **variables,
    }


class Container:
    """One run of the entry point."""

    def __init__(self, image: Path, log: Path, environment: dict[str, str]) -> None:
        self.image, self.log, self.environment = image, log, environment
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [image.parent / "bin/entrypoint"], cwd=image, env=environment, stdout=file, stderr=file
            )

    def wait_serving(self) -> None:
        wait_for(lambda: "listening" in self.said() or self.process.poll() is not None, 90, "the server")
        assert self.process.poll() is None, self.said()

    def is_healthy(self) -> bool:
        return subprocess.run([self.image.parent / "bin/healthcheck"], env=self.environment, timeout=20).returncode == 0

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """As the engine does it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.mark.cluster
@pytest.mark.long
def test_the_entry_point_prepares_and_serves_twice_over(
    image: Path, redis: RedisServer, database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    environment = clean_environment(
        DATA_DIR=str(tmp_path / "data"),
        DATABASE_URL=database_url,
        REDIS_URL=redis.url,
        PUBLIC_URL=f"http://127.0.0.1:{port}",
        REGISTRATION="open",
        # The administrator logs in to the API, and has no second factor yet.
        STAFF_TOTP="optional",
        PORT=str(port),
        WORKERS="1",
        DJANGO_SUPERUSER_USERNAME="root",
        DJANGO_SUPERUSER_PASSWORD_FILE=str(tmp_path / "password"),
    )
    before = sorted(path for path in image.rglob("*"))
    tokens: list[str] = []
    for run in (1, 2):
        container = Container(image, tmp_path / f"log{run}", environment)
        try:
            container.wait_serving()
            assert container.is_healthy()
            answer = httpx.post(f"{container.url}/api/v1/tokens", json={"username": "root", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            assert answer.json()["user"]["is_staff"] is True
            tokens.append(answer.json()["access"])
            # The first run's token is good in the second: the secrets stayed.
            me = httpx.get(f"{container.url}/api/v1/me", headers={"Authorization": f"Bearer {tokens[0]}"})
            assert (me.status_code, me.headers["x-request-id"] != "") == (200, True)
            page = httpx.get(container.url).text
            script = re.search(r"/static/chat/main\.[0-9a-f]+\.js", page)
            assert script is not None
            assert httpx.get(f"{container.url}{script[0]}").status_code == 200
            foreign = httpx.get(container.url, headers={"Host": "evil.example"})
            assert foreign.status_code == 400
        finally:
            code = container.stop()
        assert code == 0
        assert "Traceback" not in container.said()
        assert ("Made the administrator root." in container.said()) == (run == 1)
        assert len(re.findall(r"made .*_(?:key|secret): keep it", container.said())) == (3 if run == 1 else 0)
        assert PASSWORD not in container.said()
    assert sorted(path for path in image.rglob("*")) == before, "the root file system may be read-only"
    assert not container.is_healthy()


@pytest.mark.parametrize("database_url", ["sqlite", *(["postgresql"] if POSTGRESQL else [])], indirect=True)
@pytest.mark.long
def test_several_may_prepare_one_empty_database_at_once(image: Path, database_url: str, tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "manage.py", "prepare"],
            cwd=image,
            env=clean_environment(
                DATA_DIR=str(tmp_path),
                DATABASE_URL=database_url,
                PUBLIC_URL="http://localhost:8000",
                REGISTRATION="open",
                SECRET_KEY="s" * 50,
                JWT_SECRET="j" * 50,
                DJANGO_SUPERUSER_USERNAME="root",
                DJANGO_SUPERUSER_PASSWORD=PASSWORD,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said
    assert sum("Made the administrator" in each for each in said) == 1


@pytest.mark.parametrize("away", ["database", "redis"])
def test_what_does_not_answer_in_time_is_named_without_its_password(away: str, image: Path, tmp_path: Path) -> None:
    closed = f"127.0.0.1:{free_port()}"
    urls = {
        "database": {"DATABASE_URL": f"postgres://me:hush@{closed}/chat"},
        "redis": {"REDIS_URL": f"redis://:hush@{closed}"},
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        cwd=image,
        env=clean_environment(
            DATA_DIR=str(tmp_path / "data"),
            PUBLIC_URL="http://localhost:8000",
            REGISTRATION="open",
            SECRET_KEY="s" * 50,
            JWT_SECRET="j" * 50,
            SERVICES_WAIT="300ms",
            **urls[away],
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert {"database": f"PostgreSQL at {closed}", "redis": "Redis does not answer"}[away] in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stdout + done.stderr
