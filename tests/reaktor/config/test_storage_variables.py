"""Where the database is, past a pooler too, and what a host is called."""

from __future__ import annotations

import re

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError


def test_a_way_past_a_pooler_needs_a_pooler() -> None:
    with pytest.raises(ConfigError, match="name that in DATABASE_URL"):
        config_from({"DATABASE_DIRECT_URL": "postgres://u:p@127.0.0.1/chat"})


def test_a_host_has_the_name_that_it_is_given_or_the_machines() -> None:
    own = config_from({})
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", own.host_name)
    assert not own.is_host_named
    named = config_from({"HOST_NAME": "east-1.example"})
    assert (named.host_name, named.is_host_named) == ("east-1.example", True)
    for name in ("-a", "a b", "a/b", "a_b", "é", "a" * 64, "a.\n.b"):
        with pytest.raises(ConfigError, match="HOST_NAME="):
            config_from({"HOST_NAME": name})
