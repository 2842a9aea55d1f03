"""Secrets that are made once and kept to their owner; a production that says everything it misses at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from reaktor.secrets import development_secret

ROOT = Path(__file__).resolve().parents[2]
SHOW = "from django.conf import settings; print(settings.SECRET_KEY, settings.JWT_SECRET)"


def environment(**variables: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}}
    return {**mine, **variables}


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(**variables: str) -> tuple[int, str]:
    """(exit code, output) of `manage.py check` in production."""
    process = start("manage.py", "check", DJANGO_SETTINGS_MODULE="reaktor.settings.production", **variables)
    out, errors = process.communicate(timeout=60)
    return process.returncode, out + errors


def test_a_development_secret_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    first = development_secret(data_dir, "secret_key")
    assert len(first) >= 48
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600
    assert development_secret(data_dir, "secret_key") == first
    assert development_secret(data_dir, "jwt_secret") != first
    assert sorted(path.name for path in data_dir.iterdir()) == ["jwt_secret", "secret_key"], "nothing half-written"


def test_processes_that_race_get_the_same_secrets_and_two_directories_different_ones(tmp_path: Path) -> None:
    racing = [
        start("-c", SHOW, DJANGO_SETTINGS_MODULE="reaktor.settings.local", DATA_DIR=str(tmp_path / where))
        for where in ("one", "one", "one", "two")
    ]
    answers = [process.communicate(timeout=60)[0].split() for process in racing]
    assert all(len(answer) == 2 and answer[0] != answer[1] for answer in answers)
    assert answers[0] == answers[1] == answers[2]
    assert not set(answers[0]) & set(answers[3])


def test_production_names_every_setting_that_is_missing_at_once(tmp_path: Path) -> None:
    code, output = check(DATA_DIR=str(tmp_path))
    assert code == 1
    assert output.splitlines()[-1].endswith("these environment variables: SECRET_KEY, JWT_SECRET, ALLOWED_HOSTS.")
    code, output = check(DATA_DIR=str(tmp_path), SECRET_KEY="s" * 50, ALLOWED_HOSTS="chat.example", JWT_SECRET=" ")
    assert code == 1
    assert output.splitlines()[-1].endswith("these environment variables: JWT_SECRET.")


def test_no_server_starts_in_production_without_its_secrets(tmp_path: Path) -> None:
    process = start(
        "-c", "import reaktor.asgi", DJANGO_SETTINGS_MODULE="reaktor.settings.production", DATA_DIR=str(tmp_path)
    )
    assert "SECRET_KEY, JWT_SECRET, ALLOWED_HOSTS" in process.communicate(timeout=60)[1]
    assert process.returncode != 0


def test_production_says_everything_that_is_given_and_unsafe_at_once(tmp_path: Path) -> None:
    code, output = check(
        DATA_DIR=str(tmp_path), SECRET_KEY="short", JWT_SECRET="short", ALLOWED_HOSTS="*", LIMITS="off"
    )
    assert code == 1
    for sentence in (
        "SECRET_KEY must be set, to at least 32",
        "JWT_SECRET must be set, to at least 32",
        "must differ",
        "ALLOWED_HOSTS must name",
        "LIMITS=off",
    ):
        assert sentence in output
    assert "Traceback" not in output


def test_production_with_its_settings_is_content(tmp_path: Path) -> None:
    code, output = check(DATA_DIR=str(tmp_path), SECRET_KEY="s" * 50, JWT_SECRET="j" * 50, ALLOWED_HOSTS="chat.example")
    assert (code, "no issues" in output) == (0, True)


def test_figures_that_cannot_be_understood_are_all_named(tmp_path: Path) -> None:
    process = start(
        "-c", SHOW, DJANGO_SETTINGS_MODULE="reaktor.settings.local", DATA_DIR=str(tmp_path), PORT="x", LIMIT_SEND="y"
    )
    errors = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "PORT='x'" in errors
    assert "LIMIT_SEND" in errors
