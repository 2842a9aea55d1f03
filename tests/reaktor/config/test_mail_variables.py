"""Who may register, and by which server mails go, as the environment says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import ConfigError
from tests.reaktor.test_settings import finish, start


def test_without_a_mail_server_none_is_needed_and_none_is_made_up() -> None:
    mail = config_from({"PUBLIC_URL": "https://chat.example"}).mail
    assert (mail.url, mail.is_required) == ("", False)
    assert mail.sender == "Reaktor <reaktor@chat.example>"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"EMAIL_URL": "mail.example:25"}, "EMAIL_URL"),
        ({"EMAIL_URL": "http://user:hush@mail.example"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://user:hush@mail.example:port"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL"),
        ({"DEFAULT_FROM_EMAIL": "Chat"}, "DEFAULT_FROM_EMAIL"),
        ({"DEFAULT_FROM_EMAIL": "Chat <chat@example.org>\nBcc: all@example.org"}, "DEFAULT_FROM_EMAIL"),
        ({"EMAIL_REQUIRED": "on"}, "EMAIL_REQUIRED"),
        ({"REGISTRATION": "sometimes"}, "REGISTRATION"),
    ],
    ids=["no scheme", "no mail", "no port", "no host", "no address", "two lines", "no server", "no mode"],
)
def test_what_makes_no_sense_is_named_without_its_password(given: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=name) as refused:
        config_from(given)
    assert "hush" not in str(refused.value)


SHOWN = """
import django, json
from django.conf import settings as s
print(json.dumps([s.EMAIL_BACKEND.split(".")[-2], s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, s.EMAIL_HOST_PASSWORD,
    getattr(s, "EMAIL_USE_TLS", False), getattr(s, "EMAIL_USE_SSL", False), s.EMAIL_TIMEOUT]))
"""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("smtp://ada:hush%2F@mail.example:25", ["smtp", "mail.example", 25, "ada", "hush/", False, False, 10]),
        ("smtp+tls://ada:hush@mail.example:587", ["smtp", "mail.example", 587, "ada", "hush", True, False, 10]),
        ("smtp+ssl://ada:hush@mail.example:465", ["smtp", "mail.example", 465, "ada", "hush", False, True, 10]),
        (None, "console"),
    ],
    ids=["plain", "STARTTLS", "TLS", "development"],
)
def test_djangos_settings_of_mail_are_what_the_url_says(url: str | None, shown: object, tmp_path: Path) -> None:
    given = {} if url is None else {"EMAIL_URL": url}
    code, said = finish(start("-c", SHOWN, settings="local", DATA_DIR=str(tmp_path), **given))
    assert code == 0, said
    found = json.loads(said)
    assert (found[0] if url is None else found) == shown
