"""Settings: what they refuse and in which words, where secrets come from, and the documents made of them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chat.management.commands.settings_reference import COMPOSE
from reaktor.config.environment import config_from, variables
from reaktor.config.model import MIN_SECRET_CHARS, ConfigError, RelayTls
from reaktor.config.reference import env_file, page
from reaktor.config.secrets import STORED, made_secret, make_missing, with_files
from reaktor.config.variables import format_duration, parse_duration_s

KEPT = {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}
ROOT = Path(__file__).resolve().parents[2]
SHOW = "from django.conf import settings; print(settings.SECRET_KEY, settings.JWT_SECRET)"
SANE = {
    "SECRET_KEY": "abcdefghijklmnopqrstuvwxyz" * 2,
    "JWT_SECRET": "zyxwvutsrqponmlkjihgfedcba" * 2,
    "PUBLIC_URL": "https://chat.example",
    "TRUSTED_PROXIES": "10.0.0.1",
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
        for name in ("SECRET_KEY (or SECRET_KEY_FILE)", "JWT_SECRET (or JWT_SECRET_FILE)", "PUBLIC_URL must be set"):
            assert name in said, process.args


def test_static_files_are_collected_without_a_secret(tmp_path: Path) -> None:
    assert finish(start("manage.py", "collectstatic", "--dry-run", "--noinput", DATA_DIR=str(tmp_path)))[0] == 0
    assert list(tmp_path.iterdir()) == [], "a build leaves no secret behind"


def test_the_settings_page_asks_for_as_many_characters_of_a_secret_as_are_checked() -> None:
    """The page said 50 of SECRET_KEY, and the server refused less than 32."""
    told = {each.name: each.about for each in variables() if each.name in STORED}
    assert [re.findall(r"at least (\d+)", text) for text in told.values()] == [[str(MIN_SECRET_CHARS)]] * 2


def test_production_says_everything_that_is_given_and_unsafe_at_once(tmp_path: Path) -> None:
    unsafe = {
        "SECRET_KEY": "short",
        "JWT_SECRET": "short",
        "PUBLIC_URL": "http://chat.example",
        "ALLOWED_HOSTS": "*",
        "LIMITS": "off",
        "DEBUG": "on",
    }
    made_secret(tmp_path, "secret_key")
    (tmp_path / "secret_key").chmod(0o644)
    code, said = finish(start("manage.py", "check", DATA_DIR=str(tmp_path), **unsafe))
    assert code == 1
    for sentence in (
        "SECRET_KEY must have at least 32",
        "JWT_SECRET must have at least 32",
        "must differ",
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


def test_the_public_url_sets_hosts_origins_and_cookies(tmp_path: Path) -> None:
    config = config_from({"PUBLIC_URL": "https://chat.example/", "ALLOWED_HOSTS": "inside.example"})
    assert config.web.hosts == ("chat.example", "inside.example")
    assert config.web.origins == config.web.csrf_origins == ("https://chat.example",)
    assert config.web.is_https
    config = config_from({"PUBLIC_URL": "https://chat.example:8443", "ALLOWED_ORIGINS": "https://app.example"})
    assert config.web.origins == ("https://chat.example:8443", "https://app.example")
    show = (
        "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT)"
    )
    assert "['chat.example'] True True" in finish(start("-c", show, DATA_DIR=str(tmp_path), **SANE))[1]


def test_this_machine_goes_by_all_of_its_names() -> None:
    config = config_from({"PUBLIC_URL": "http://127.0.0.1:8000"})
    assert config.web.hosts == ("localhost", "127.0.0.1", "[::1]")
    assert "http://localhost:8000" in config.web.origins
    assert not config.web.is_https


@pytest.mark.parametrize("url", ["chat.example", "ftp://chat.example", "https://chat.example/path", "https://h:port"])
def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="PUBLIC_URL"):
        config_from({"PUBLIC_URL": url})


@pytest.mark.parametrize("url", ["https://münch.example", "HTTPS://MÜNCH.Example/", "https://xn--mnch-0ra.example:443"])
def test_hosts_and_origins_may_be_written_in_any_way(url: str) -> None:
    """An international name in PUBLIC_URL refused every browser, and a slash behind an allowed origin kept it out."""
    given = {"ALLOWED_HOSTS": url, "ALLOWED_ORIGINS": url, "CSRF_TRUSTED_ORIGINS": url, "SOCKETIO_ALLOWED_ORIGINS": url}
    config = config_from({"PUBLIC_URL": url, **given})
    host, origin = "xn--mnch-0ra.example", "https://xn--mnch-0ra.example"
    assert (config.web.public_url, config.web.is_https) == (origin, True)
    assert set(config.web.hosts) == {host}
    assert set(config.web.origins) == set(config.web.csrf_origins) == set(config.engineio.allowed_origins) == {origin}


def test_what_is_no_host_or_origin_is_told_instead_of_never_fitting() -> None:
    """ALLOWED_ORIGINS=app.example was taken without a word, and kept that page out."""
    with pytest.raises(ConfigError, match=r"ALLOWED_HOSTS: 'a@b' .*ALLOWED_ORIGINS: 'app.example' is not an origin"):
        config_from({"ALLOWED_HOSTS": "a@b", "ALLOWED_ORIGINS": "app.example"})


# Databases and Redis

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


def test_a_way_past_a_pooler_needs_a_pooler() -> None:
    with pytest.raises(ConfigError, match="name that in DATABASE_URL"):
        config_from({"DATABASE_DIRECT_URL": "postgres://u:p@127.0.0.1/chat"})


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


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"REDIS_HOST": "Cache", "REDIS_PORT": "6380"}, "redis://cache:6380/0"),
        ({"REDIS_PORT_6379_TCP_ADDR": "2001:db8::1"}, "redis://[2001:db8::1]:6379/0"),
    ],
)
def test_a_redis_is_named_by_host_or_address(env: dict[str, str], url: str) -> None:
    """REDIS_HOST=::1 made redis://::1:6379/0, which no client can read."""
    found = config_from(env).redis
    assert found is not None
    assert found.url == url


def test_a_redis_host_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match=r"REDIS_HOST='redis:6379' is not a host"):
        config_from({"REDIS_HOST": "redis:6379"})


def test_a_host_has_the_name_that_it_is_given_or_the_machines() -> None:
    own = config_from({})
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", own.host_name)
    assert not own.is_host_named
    named = config_from({"HOST_NAME": "east-1.example"})
    assert (named.host_name, named.is_host_named) == ("east-1.example", True)
    for name in ("-a", "a b", "a/b", "a_b", "é", "a" * 64, "a.\n.b"):
        with pytest.raises(ConfigError, match="HOST_NAME="):
            config_from({"HOST_NAME": name})


SENTINELS = "s1.example:26379, [::1]:26380, s3.example"


def test_a_redis_is_found_by_sentinels_and_its_url_says_how_to_log_in() -> None:
    env = {"REDIS_URL": "rediss://ann:p%40ss@/2", "REDIS_SENTINELS": SENTINELS, "REDIS_SENTINEL_PASSWORD": "secret"}
    found = config_from(env).redis
    assert found is not None
    assert found.sentinels == (("s1.example", 26379), ("::1", 26380), ("s3.example", 26379))
    assert found.master == "mymaster"
    assert found.options() == {"username": "ann", "password": "p@ss", "ssl": True, "db": 2}
    assert found.sentinel_options().items() >= {"password": "secret", "ssl": True}.items()
    assert "secret" not in repr(found)
    assert "ss@" not in repr(found)
    without = config_from({"REDIS_SENTINELS": SENTINELS}).redis
    assert without is not None
    assert without.options() == {"db": 0}


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"REDIS_URL": "redis://host:6379/0", "REDIS_SENTINELS": SENTINELS}, "take the host out of REDIS_URL"),
        ({"REDIS_HOST": "host", "REDIS_SENTINELS": SENTINELS}, "or REDIS_HOST away"),
        ({"REDIS_URL": "unix:///run/redis.sock", "REDIS_SENTINELS": SENTINELS}, "take the host out of REDIS_URL"),
        ({"REDIS_URL": "redis:///0?protocol=3", "REDIS_SENTINELS": SENTINELS}, "take it out"),
        ({"REDIS_SENTINELS": "host:port"}, "'host:port' is not a host with its port, such as redis-1.example:26379"),
        ({"REDIS_SENTINELS": "redis://host"}, "'redis://host' is not a host with its port"),
        ({"REDIS_SENTINEL_MASTER": "chat"}, "REDIS_SENTINEL_MASTER is nothing without REDIS_SENTINELS"),
        ({"REDIS_SENTINEL_PASSWORD": "x"}, "REDIS_SENTINEL_PASSWORD is nothing without REDIS_SENTINELS"),
        ({"REDIS_URL": "redis://host", "REDIS_CA_FILE": __file__}, "begin REDIS_URL with rediss://"),
        ({"REDIS_URL": "rediss://host", "REDIS_CA_FILE": "/none.pem"}, "there is no file /none.pem"),
    ],
)
def test_redis_settings_that_contradict_each_other_are_told_with_what_to_do(env: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config_from(env)
    assert told in str(refused.value)


def test_the_files_for_tls_between_hosts_go_together(tmp_path: Path) -> None:
    assert config_from({}).cluster.relay_tls is None
    given = {name: str(tmp_path / name) for name in ("RELAY_CERT_FILE", "RELAY_KEY_FILE", "RELAY_CA_FILE")}
    with pytest.raises(ConfigError, match=f"RELAY_KEY_FILE: there is no file {given['RELAY_KEY_FILE']}"):
        config_from(given)
    for path in given.values():
        Path(path).write_text("")
    assert config_from(given).cluster.relay_tls == RelayTls(*given.values())
    with pytest.raises(ConfigError, match="RELAY_CA_FILE is missing: RELAY_CERT_FILE, RELAY_KEY_FILE, RELAY_CA_FILE"):
        config_from({**given, "RELAY_CA_FILE": ""})


def test_other_hosts_are_told_an_address_that_they_can_use() -> None:
    assert config_from({}).cluster.advertise == ""
    for given in ("10.0.0.5:8001", "[fd00::5]:8001"):
        assert config_from({"ADVERTISE": given}).cluster.advertise == given
    for given in (
        "10.0.0.5",
        "10.0.0.5:",
        "10.0.0.5:0",
        "fd00::5:8001",
        "[fd00::5]",
        "east:8001",
        "10.0.0.5:x",
        ":8001",
    ):
        with pytest.raises(ConfigError, match="is not an address and a port such as"):
            config_from({"ADVERTISE": given})
    for given in ("0.0.0.0:8001", "[::]:8001"):
        with pytest.raises(ConfigError, match="no address that other hosts can connect to"):
            config_from({"ADVERTISE": given})
    with pytest.raises(ConfigError, match="another port than PORT"):
        config_from({"ADVERTISE": "10.0.0.5:8000"})


def test_counts_that_were_asked_for_hold_without_limits_too() -> None:
    """LIMITS=off with MAX_SESSIONS_PER_USER=1 let ten sessions in."""
    lifted = config_from({"LIMITS": "off"}).limits
    assert (lifted.max_sessions_per_user, lifted.max_connections_per_address) == (1_000_000, None)
    given = config_from({"LIMITS": "off", "MAX_SESSIONS_PER_USER": "1", "LIMIT_CONNECTIONS": "5"}).limits
    assert (given.max_sessions_per_user, given.max_connections_per_address) == (1, 5)
    usual = config_from({}).limits
    assert (usual.max_sessions_per_user, usual.max_connections_per_address) == (10, 100)


# Secrets


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


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://me:secret@db/chat\n")
    env = {"DATABASE_URL_FILE": str(tmp_path / "url")}
    config = config_from(with_files(env))
    assert config.database_url == "postgres://me:secret@db/chat"
    assert "secret@db" not in repr(config)
    with pytest.raises(ConfigError, match=r"JWT_SECRET_FILE: /nowhere can't be read.*; DATABASE_URL and .* both given"):
        with_files({**env, "DATABASE_URL": "postgres://other", "JWT_SECRET_FILE": "/nowhere"})


# Documents


def test_figures_that_cannot_be_understood_are_all_named_without_a_traceback(tmp_path: Path) -> None:
    wrong = {"PORT": "x", "LIMIT_SEND": "y", "LOG_FORMAT": "xml", "ACCESS_LOG": "maybe", "TRUSTED_PROXIES": "z"}
    code, said = finish(start("manage.py", "check", settings="local", DATA_DIR=str(tmp_path), **wrong))
    assert code == 1
    assert "Traceback" not in said
    for name in wrong:
        assert name in said


def test_the_documents_are_what_the_code_says() -> None:
    assert (ROOT / "docs/settings.md").read_text() == page(variables()), "run manage.py settings_reference"
    assert (ROOT / "docker/chat.env").read_text() == env_file(variables(), COMPOSE), "run it with --env"


def test_every_variable_is_there_once_and_no_module_reads_one_behind_their_back() -> None:
    names = [variable.name for variable in variables()]
    assert len(names) == len(set(names))
    for name in ("PORT", "WORKERS", "JWT_SECRET", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PORT_6379_TCP_ADDR"):
        assert name in names, "the replaced server read it"
    read = re.compile(r"environ(?:\.get\(|\[|\.setdefault\()\s*\"(\w+)\"")
    elsewhere = {
        (name, path.name)
        for package in ("reaktor", "accounts", "chat")
        for path in (ROOT / package).rglob("*.py")
        for name in read.findall(path.read_text())
    }
    # Set by the server itself, or for its tests.
    own = {"REAKTOR_WORKER", "REAKTOR_HOST", "REAKTOR_CLUSTER_ID", "DJANGO_SETTINGS_MODULE", "DATA_DIR"}
    own |= {"TEST_DATABASE_URL", "STAFF_TOTP", "BIND"}  # production's own default, and local's
    assert {name for name, _ in elsewhere} <= own


def test_durations_are_shown_as_they_are_read() -> None:
    for seconds in (0, 0.25, 1, 90, 600, 7200, 86_400 * 7):
        assert parse_duration_s(format_duration(seconds)) == seconds


# What a command need not wait for


def test_no_command_but_those_that_serve_imports_twisted(tmp_path: Path) -> None:
    """Daphne as an app imported it into each of them: a third of their start, and 20 MiB of the supervisor."""
    script = "import sys, django; django.setup(); print(*{'twisted', 'autobahn', 'daphne'} & set(sys.modules))"
    assert finish(start("-c", script, settings="local", DATA_DIR=str(tmp_path))) == (0, "\n")
