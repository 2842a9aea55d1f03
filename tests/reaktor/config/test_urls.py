"""URLs of databases and of a Redis with what passwords and paths are made of, as their readers understand them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import environ
import pytest
import redis

from reaktor.config.model import ConfigError
from reaktor.config.urls import DATABASE_SCHEMES, REDIS_SCHEMES, normal_service_url, unix_url

PASSWORDS = ["plain", "a#b", "a%b", "50%", "a+b", "#", "a:b", "a@b", "a&b=c", "p%zz", "ünü", "a b", "[x]"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_reaches_postgresql_as_it_is(password: str) -> None:
    """A password with # ended the URL there, one with + lost it to a blank, one with [ was a traceback."""
    found = environ.Env.db_url_config(normal_service_url(f"postgres://u:{password}@h:5432/db", DATABASE_SCHEMES))
    assert [found[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == ["u", password, "h", 5432, "db"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_reaches_redis_as_it_is(password: str) -> None:
    options = redis.ConnectionPool.from_url(
        normal_service_url(f"redis://:{password}@h:1/2", REDIS_SCHEMES)
    ).connection_kwargs
    assert (options["password"], options["host"], options["port"], options["db"]) == (password, "h", 1, 2)


@pytest.mark.parametrize("password", [*PASSWORDS, "a/b", "a?b", "?/@#"])
def test_what_is_quoted_already_stays_and_twice_is_once(password: str) -> None:
    url = normal_service_url(f"postgres://u:{quote(password, safe='')}@h/db", DATABASE_SCHEMES)
    assert environ.Env.db_url_config(url)["PASSWORD"] == password
    assert normal_service_url(url, DATABASE_SCHEMES) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////srv/a#b+c/x.sqlite3", "/srv/a#b+c/x.sqlite3"),
        ("sqlite:////srv/a%3Fb/x@y.sqlite3", "/srv/a?b/x@y.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
    ],
)
def test_a_sqlite_file_is_the_one_that_was_named(url: str, name: str) -> None:
    assert environ.Env.db_url_config(normal_service_url(url, DATABASE_SCHEMES))["NAME"] == name


@pytest.mark.parametrize(
    ("url", "hosts"),
    [("postgres://u@[::1]:5432/db", "::1"), ("POSTGRES://a:1,b:2/db", "a,b"), ("postgres:///db?host=/run", "")],
)
def test_other_forms_of_postgresql(url: str, hosts: str) -> None:
    assert environ.Env.db_url_config(normal_service_url(url, DATABASE_SCHEMES))["HOST"] == hosts


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:top/secret@h/db",
        "postgres://u:12/secret@h/db",
        "postgres://u:12?secret@h/db",
        "postgres://u:a@top/secret@h/db",
        "postgres://u:p@secret:99999/db",
        "postgres://u:p@[secret/db",
        "mysql://u:secret@h/db",
        "secret",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_without_a_piece_of_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        normal_service_url(url, DATABASE_SCHEMES)
    assert "secret" not in str(caught.value)


def test_the_url_of_a_socket_file_names_that_file() -> None:
    """The embedded Redis was looked for at another path where DATA_DIR has a # in it."""
    path = Path("/srv/a#b?c%d+e=f:g&h i/redis.sock")
    assert redis.ConnectionPool.from_url(unix_url(path)).connection_kwargs["path"] == str(path)
    assert normal_service_url(unix_url(path), REDIS_SCHEMES) == unix_url(path)
