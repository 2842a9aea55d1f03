"""Which Redis is meant, by its URL, its host or its Sentinels, and what contradicts itself."""

from __future__ import annotations

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError

SENTINELS = "s1.example:26379, [::1]:26380, s3.example"


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
