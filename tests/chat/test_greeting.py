"""The last lines of a start name the pages, who reaches them, and how one becomes administrator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chat.management.greeting import next_steps
from reaktor.cluster.greeting import greeting, home_of
from reaktor.config.environment import config_from
from reaktor.config.model import Config


def config(**variables: str) -> Config:
    return replace(config_from(variables), data_dir=Path("/data"))


@pytest.mark.parametrize(
    ("bind", "home"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://127.0.0.1:8000/"),
        ("::1", "http://[::1]:8000/"),
        ("10.0.0.7, 127.0.0.1", "http://10.0.0.7:8000/"),
    ],
)
def test_a_server_without_a_public_url_is_found_where_it_listens(bind: str, home: str) -> None:
    assert home_of(config(BIND=bind)) == home
    assert greeting(config(BIND=bind), "one process") == f"Reaktor is listening on {home} (one process)"


def test_production_says_its_public_url() -> None:
    """It said http://127.0.0.1:8000/, where nobody finds it."""
    given = config(PUBLIC_URL="https://chat.example", BIND="10.0.0.7", PORT="81")
    assert greeting(given, "2 workers") == (
        "Reaktor is listening on 10.0.0.7 port 81 for https://chat.example/ (2 workers)"
    )
    steps = next_steps(given, is_production=True, has_administrator=True)
    assert [line.split()[-1] for line in steps] == ["https://chat.example/", "https://chat.example/admin/"]


@pytest.mark.parametrize(
    ("is_production", "command"), [(False, "make admin"), (True, "python manage.py createsuperuser")]
)
def test_who_has_no_administrator_is_told_the_one_command(is_production: bool, command: str) -> None:
    """How one becomes administrator stood nowhere."""
    shown = "\n".join(next_steps(config(), is_production=is_production, has_administrator=False))
    assert shown.count(command) == 1
    assert command not in "\n".join(next_steps(config(), is_production=is_production, has_administrator=True))


@pytest.mark.parametrize(
    ("bind", "said"),
    [
        ("127.0.0.1", "this machine alone. BIND=0.0.0.0 make run opens it"),
        ("::1,127.0.0.1", "this machine alone."),
        ("0.0.0.0", "every machine of your network. Anybody there can register."),
        ("127.0.0.1, 10.0.0.7", "whoever reaches 127.0.0.1, 10.0.0.7. Anybody there can register."),
    ],
)
def test_who_reaches_it_is_said_as_it_is(bind: str, said: str) -> None:
    """`make run` listened on every address while it printed 127.0.0.1."""
    assert (
        f"Who reaches it:      {said}" in next_steps(config(BIND=bind), is_production=False, has_administrator=True)[-1]
    )
