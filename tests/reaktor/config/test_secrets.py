"""Where secrets come from: files that somebody names, and those that the server makes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError
from reaktor.config.secrets import made_secret, make_missing, with_files
from tests.reaktor.test_settings import start

SHOW = "from django.conf import settings; print(settings.SECRET_KEY, settings.JWT_SECRET)"


def test_a_made_secret_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    first = made_secret(data_dir, "secret_key")
    assert len(first) >= 48
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600
    assert made_secret(data_dir, "secret_key") == first
    assert made_secret(data_dir, "jwt_secret") != first
    assert sorted(path.name for path in data_dir.iterdir()) == ["jwt_secret", "secret_key"], "nothing half-written"


def test_processes_that_race_get_the_same_secrets_and_two_directories_different_ones(tmp_path: Path) -> None:
    racing = [
        start("-c", SHOW, settings="local", DATA_DIR=str(tmp_path / where)) for where in ("one", "one", "one", "two")
    ]
    answers = [process.communicate(timeout=60)[0].split() for process in racing]
    assert all(len(answer) == 2 and answer[0] != answer[1] for answer in answers)
    assert answers[0] == answers[1] == answers[2]
    assert not set(answers[0]) & set(answers[3])


def test_only_secrets_that_nobody_gave_are_made(tmp_path: Path) -> None:
    env = {"DATA_DIR": str(tmp_path), "SECRET_KEY_FILE": "/run/secrets/key"}
    assert make_missing(env) == [tmp_path / "jwt_secret"]
    assert make_missing(env) == []
    assert [path.name for path in make_missing({"DATA_DIR": str(tmp_path)})] == ["secret_key", "vapid_key"]


def test_hosts_with_one_secret_key_have_one_key_for_push() -> None:
    """Each would otherwise make its own, and a browser that subscribed with one is deaf to the other."""
    shown = "from django.conf import settings; print(settings.VAPID_KEY)"
    found = set()
    for host in ("east", "west"):
        with tempfile.TemporaryDirectory() as folder:
            options = {"SECRET_KEY": "s" * 50, "JWT_SECRET": "j" * 50, "DATA_DIR": f"{folder}/{host}"}
            for settings in ("local", "production"):
                env = {**os.environ, **options, "DJANGO_SETTINGS_MODULE": f"reaktor.settings.{settings}"}
                found.add(subprocess.check_output([sys.executable, "-c", shown], env=env, text=True))
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://me:secret@db/chat\n")
    env = {"DATABASE_URL_FILE": str(tmp_path / "url")}
    config = config_from(with_files(env))
    assert config.database_url == "postgres://me:secret@db/chat"
    assert "secret@db" not in repr(config)
    with pytest.raises(ConfigError, match=r"JWT_SECRET_FILE: /nowhere can't be read.*; DATABASE_URL and .* both given"):
        with_files({**env, "DATABASE_URL": "postgres://other", "JWT_SECRET_FILE": "/nowhere"})
