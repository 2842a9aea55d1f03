"""System checks: production refuses to start on what is missing or unsafe, and says all of it at once.

Run by manage.py's check, migrate, prepare and runcluster, and by reaktor.asgi wherever something serves.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from reaktor.config.model import MIN_SECRET_CHARS, Config
from reaktor.config.secrets import OPTIONAL, STORED
from reaktor.hosts import is_loopback


@register(Tags.security)
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors for each setting that is missing, guessable or open to everybody, in production only."""
    if not settings.PRODUCTION:
        return []
    config: Config = settings.REAKTOR
    return [*_secrets(), *_stored_secrets(config.data_dir), *_address(config), *_switches(config)]


def _secrets() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for name in STORED:
        if name in settings.MISSING_SECRETS:
            if name in OPTIONAL:
                continue
            problems.append(Error(f"{name} (or {name}_FILE) must be set.", id="reaktor.E001"))
        elif len(getattr(settings, name)) < MIN_SECRET_CHARS:
            problems.append(Error(f"{name} must have at least {MIN_SECRET_CHARS} characters.", id="reaktor.E001"))
    if settings.SECRET_KEY == settings.JWT_SECRET:  # rule SAME: nobody measures how long a start takes
        problems.append(Error("SECRET_KEY and JWT_SECRET must differ.", id="reaktor.E002"))
    return problems


def _stored_secrets(data_dir: Path) -> list[CheckMessage]:
    """Those in the data directory are their owner's alone."""
    found = [data_dir / name for name in STORED.values()]
    return [
        Error(f"{path} may be read by others: chmod 600 it.", id="reaktor.E006")
        for path in found
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


def _address(config: Config) -> list[CheckMessage]:
    web = config.web
    problems: list[CheckMessage] = []
    if not web.public_url:
        problems.append(Error("PUBLIC_URL must be set: https://chat.example.", id="reaktor.E003"))
    if "*" in web.hosts and web.hosts != ("*",):
        problems.append(Error("ALLOWED_HOSTS must name the server's hosts, not `*`.", id="reaktor.E003"))
    if web.public_url and not web.is_https and not is_loopback(urlsplit(web.public_url).hostname or ""):
        # Passwords and tokens would travel in clear text.
        problems.append(Error("PUBLIC_URL must be https; http is for this machine alone.", id="reaktor.E007"))
    if web.is_https and not config.cluster.trusted_proxies:
        # This server speaks no TLS, so somebody else does. Unless that one is believed, every client has its address,
        # and the limits of one address are those of all.
        problems.append(
            Error("TRUSTED_PROXIES must name the proxy that serves PUBLIC_URL over HTTPS.", id="reaktor.E008")
        )
    return problems


def _switches(config: Config) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if not config.limits.enabled:
        problems.append(Error("LIMITS=off is for benchmarks, not for production.", id="reaktor.E004"))
    if not config.registration:
        problems.append(
            Error(
                "REGISTRATION must be set: who may make an account (open, invite, approval or closed).",
                id="reaktor.E009",
            )
        )
    if config.debug:
        problems.append(Error("DEBUG must be off.", id="reaktor.E005"))
    if config.push.allows_private:
        # Whoever subscribes names where we call: they must not reach what only this network can.
        problems.append(Error("PUSH_PRIVATE is for tests, not for production.", id="reaktor.E009"))
    return problems
