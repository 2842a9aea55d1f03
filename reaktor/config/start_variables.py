"""The variables of a first start: the secrets, the first administrator, how long services are waited for. Pure."""

from __future__ import annotations

from typing import Any

from reaktor.config.model import MIN_SECRET_CHARS, Start
from reaktor.config.variables import Reader


def read_secrets(reader: Reader) -> dict[str, Any]:
    """The fields of Config that are no part of it, by their names."""
    reader.section = "Secrets"
    return {
        "secret_key": reader.text(
            "SECRET_KEY",
            "",
            f"Signs the log-in sessions of the admin. Give at least {MIN_SECRET_CHARS} random characters. "
            "Django's own `check --deploy` warns below 50.",
            secret=True,
            required=True,
        ),
        "jwt_secret": reader.text(
            "JWT_SECRET",
            "",
            f"Signs access tokens. Give at least {MIN_SECRET_CHARS} random characters, others than in SECRET_KEY. "
            "A new one logs everybody out.",
            secret=True,
            required=True,
        ),
        "vapid_key": reader.text(
            "VAPID_KEY",
            "",
            f"Shows push services that a notice is from this server: at least {MIN_SECRET_CHARS} random characters, "
            "the same on all hosts. After a new one, each browser has to subscribe again. Where SECRET_KEY is given, "
            "the default is derived from it; else it is made and kept in DATA_DIR.",
            secret=True,
        ),
    }


def read_start(reader: Reader) -> Start:
    reader.section = "First start"
    return Start(
        admin_username=reader.text(
            "DJANGO_SUPERUSER_USERNAME",
            "",
            "The administrator that `manage.py prepare` makes if there is no account of that name.",
        ),
        admin_password=reader.text(
            "DJANGO_SUPERUSER_PASSWORD", "", "The first password of that administrator.", secret=True
        ),
        wait_s=reader.seconds(
            "SERVICES_WAIT", Start().wait_s, "How long `manage.py prepare` waits for the database, and for Redis."
        ),
        migrate_wait_s=reader.seconds(
            "MIGRATE_WAIT",
            Start().migrate_wait_s,
            "How long `manage.py prepare` waits for another process that migrates the same database.",
        ),
    )
