"""What the address of the server makes of its hosts and origins, and what is none."""

from __future__ import annotations

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError


def test_the_public_url_sets_hosts_and_origins() -> None:
    config = config_from({"PUBLIC_URL": "https://chat.example/", "ALLOWED_HOSTS": "inside.example"})
    assert config.web.hosts == ("chat.example", "inside.example")
    assert config.web.origins == config.web.csrf_origins == ("https://chat.example",)
    assert config.web.is_https
    config = config_from({"PUBLIC_URL": "https://chat.example:8443", "ALLOWED_ORIGINS": "https://app.example"})
    assert config.web.origins == ("https://chat.example:8443", "https://app.example")


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
