"""Settings of Django: what they refuse and in which words, and what they make of the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reaktor.config.secrets import made_secret

KEPT = {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}
ROOT = Path(__file__).resolve().parents[2]
SANE = {
    "SECRET_KEY": "abcdefghijklmnopqrstuvwxyz" * 2,
    "JWT_SECRET": "zyxwvutsrqponmlkjihgfedcba" * 2,
    "PUBLIC_URL": "https://chat.example",
    "TRUSTED_PROXIES": "10.0.0.1",
    "REGISTRATION": "invite",
}


def start(*arguments: str, settings: str = "production", **variables: str) -> subprocess.Popen[str]:
    """A Python process with an environment of these variables alone; `make coverage` measures it all the same."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("COVERAGE_")}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "DJANGO_SETTINGS_MODULE": f"reaktor.settings.{settings}", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, everything it said)."""
    out, errors = process.communicate(timeout=60)
    return process.returncode, out + errors


# Production


def test_whatever_checks_migrates_or_serves_names_all_that_is_missing_at_once(tmp_path: Path) -> None:
    """All of them side by side: each takes a second of imports."""
    started = [
        start(*words, DATA_DIR=str(tmp_path), JWT_SECRET=" ")
        for words in (
            ("manage.py", "migrate"),
            ("manage.py", "runcluster"),
            ("-c", "import reaktor.asgi"),
        )
    ]
    for process in started:
        code, said = finish(process)
        assert code == 1
        assert "Traceback" not in said or "reaktor.asgi" in process.args[-1]
        for name in (
            "SECRET_KEY (or SECRET_KEY_FILE)",
            "JWT_SECRET (or JWT_SECRET_FILE)",
            "PUBLIC_URL must be set",
            "REGISTRATION must be set",
        ):
            assert name in said, process.args


def test_static_files_are_collected_without_a_secret(tmp_path: Path) -> None:
    assert finish(start("manage.py", "collectstatic", "--dry-run", "--noinput", DATA_DIR=str(tmp_path)))[0] == 0
    assert list(tmp_path.iterdir()) == [], "a build leaves no secret behind"


def test_production_says_everything_that_is_given_and_unsafe_at_once(tmp_path: Path) -> None:
    unsafe = {
        "SECRET_KEY": "short",
        "JWT_SECRET": "short",
        "PUBLIC_URL": "http://chat.example",
        "ALLOWED_HOSTS": "*",
        "LIMITS": "off",
        "DEBUG": "on",
        "PUSH_PRIVATE": "on",
        "VAPID_KEY": "short",
    }
    made_secret(tmp_path, "secret_key")
    (tmp_path / "secret_key").chmod(0o644)
    code, said = finish(start("manage.py", "check", DATA_DIR=str(tmp_path), **unsafe))
    assert code == 1
    for sentence in (
        "SECRET_KEY must have at least 32",
        "JWT_SECRET must have at least 32",
        "VAPID_KEY must have at least 32",
        "must differ",
        "PUSH_PRIVATE is for tests",
        "PUBLIC_URL must be https",
        "ALLOWED_HOSTS must name",
        "LIMITS=off",
        "DEBUG must be off",
        "secret_key may be read by others",
    ):
        assert sentence in said
    code, said = finish(start("manage.py", "check", DATA_DIR=str(tmp_path / "new"), **{**SANE, "TRUSTED_PROXIES": ""}))
    assert (code, "TRUSTED_PROXIES must name the proxy" in said) == (1, True)


@pytest.mark.parametrize(
    "address",
    [{}, {"PUBLIC_URL": "http://localhost:8000", "TRUSTED_PROXIES": ""}],
    ids=["over https", "on this machine alone"],
)
def test_a_sane_production_passes_djangos_own_deployment_checks(address: dict[str, str], tmp_path: Path) -> None:
    code, said = finish(
        start(
            "manage.py", "check", "--deploy", "--fail-level", "WARNING", DATA_DIR=str(tmp_path), **{**SANE, **address}
        )
    )
    assert (code, "no issues" in said) == (0, True), said


# One address


def test_the_public_url_sets_hosts_and_cookies(tmp_path: Path) -> None:
    show = (
        "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT)"
    )
    assert "['chat.example'] True True" in finish(start("-c", show, DATA_DIR=str(tmp_path), **SANE))[1]


# Databases

AWKWARD = "a#b?c%d+e=f:g&h i"


def test_the_database_stays_in_the_data_directory_whatever_that_is_called(tmp_path: Path) -> None:
    """With DATA_DIR=/srv/a#b the database was the file /srv/a, outside of it."""
    show = "from django.conf import settings as s; print(s.DATABASES['default']['NAME'])"
    data_dir = tmp_path / AWKWARD
    assert (
        finish(start("-c", show, settings="local", DATA_DIR=str(data_dir)))[1].strip() == f"{data_dir}/reaktor.sqlite3"
    )


def test_what_all_connections_of_a_worker_remember_of_a_database_is_bounded(tmp_path: Path) -> None:
    """Each of 37 connections could keep 64 MiB of the file, and mapped it as well: a worker grew with its database."""
    show = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        "    kept = [cursor.execute(f'PRAGMA {name}').fetchone()[0] for name in ('cache_size', 'mmap_size')]\n"
        "figures = settings.REAKTOR.database\n"
        "print(*kept, figures.rest_running + figures.own_connections)"
    )
    code, said = finish(start("-c", show, settings="local", DATA_DIR=str(tmp_path)))
    assert code == 0, said
    cache_size, mmap_size, connections = map(int, said.split())
    # Below 0 it is in KiB, else in pages.
    assert cache_size < 0
    assert -cache_size * connections <= 160 * 1024
    assert mmap_size == 0


@pytest.mark.parametrize(("worker", "port"), [("1.1", "6432"), ("", "5432")])
def test_only_workers_go_through_a_pooler(worker: str, port: str, tmp_path: Path) -> None:
    """What a command locked or lifted for its session stayed behind in the pooler, and was a stranger's."""
    env = {
        "DATABASE_URL": "postgres://u:p@127.0.0.1:6432/chat",
        "DATABASE_DIRECT_URL": "postgres://u:p@127.0.0.1:5432/chat",
        **({"REAKTOR_WORKER": worker} if worker else {}),
    }
    show = "import django; from django.conf import settings; print(settings.DATABASES['default']['PORT'])"
    code, said = finish(start("-c", show, settings="local", DATA_DIR=str(tmp_path), **env))
    assert (code, said.strip()) == (0, port)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_that_cannot_be_read_is_told_in_one_line_without_its_password(name: str, tmp_path: Path) -> None:
    """A slash in a password was told as a port that is none: `se` of `se/cret`, in forty lines of traceback."""
    scheme = "postgres" if name == "DATABASE_URL" else "redis"
    code, said = finish(
        start("manage.py", "check", DATA_DIR=str(tmp_path), **{**SANE, name: f"{scheme}://u:se/cret@h/x"})
    )
    assert (code, said.count("\n")) == (1, 1), said
    assert name in said
    assert "se" not in said.replace("settings", "").replace("user", ""), said


# What can't be understood


def test_figures_that_cannot_be_understood_are_all_named_without_a_traceback(tmp_path: Path) -> None:
    wrong = {"PORT": "x", "LIMIT_SEND": "y", "LOG_FORMAT": "xml", "ACCESS_LOG": "maybe", "TRUSTED_PROXIES": "z"}
    code, said = finish(start("manage.py", "check", settings="local", DATA_DIR=str(tmp_path), **wrong))
    assert code == 1
    assert "Traceback" not in said
    for name in wrong:
        assert name in said


# What a command need not wait for


def test_no_command_but_those_that_serve_imports_twisted(tmp_path: Path) -> None:
    """Daphne as an app imported it into each of them: a third of their start, and 20 MiB of the supervisor."""
    script = "import sys, django; django.setup(); print(*{'twisted', 'autobahn', 'daphne'} & set(sys.modules))"
    assert finish(start("-c", script, settings="local", DATA_DIR=str(tmp_path))) == (0, "\n")
