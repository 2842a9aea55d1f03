"""The environment, read into a Config: every variable of the server with its default, its unit and what it does.

Called by Config.from_mapping(); variables() gives the rows that docs/settings.md and docker/chat.env are made of.
What can't be understood is told all at once. Pure.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reaktor.config.environment_clients import ClientSections
from reaktor.config.model import Cluster, Config, ConfigError, Database, Retention, Start, Web
from reaktor.config.variables import Variable

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}
LOG_FORMATS = ("human", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def variables() -> list[Variable]:
    """Every variable, in the order of the documentation."""
    environment = Environment({})
    environment.config()
    return environment.variables


class Environment(ClientSections):
    """The sections of the configuration, each read by the method of its name."""

    def config(self) -> Config:
        """The whole of it. Raises ConfigError with every problem found."""
        config = Config(
            web=self.web(),
            **self.secrets(),
            start=self.start(),
            **self.storage(),
            database=self.database(),
            cluster=self.cluster(),
            **self.logs(),
            limits=self.limits(),
            http=self.http(),
            native=self.native(),
            engineio=self.engineio(),
            membership=self.membership(),
            retention=self.retention(),
            **self.accounts(),
        )
        if self.problems:
            raise ConfigError("; ".join(self.problems))
        return config

    def web(self) -> Web:
        self.section = "Address"
        public_url = self.text(
            "PUBLIC_URL",
            "",
            "Where people find the server: `https://chat.example`. Sets the hosts it answers to, the origins of its "
            "pages, and whether cookies are for HTTPS alone. `http` only for this machine (`http://localhost:8000`).",
            unit="URL",
            required=True,
        ).rstrip("/")
        origins, hosts = self._origins(public_url)
        given_hosts = self.words("ALLOWED_HOSTS", (), "More host names that the server answers to.")
        given_origins = self.words(
            "ALLOWED_ORIGINS",
            (),
            "More origins whose pages may open `/ws/v1` and call `/api/v1` (`https://app.example`), or `*`. Without "
            "these and PUBLIC_URL: the host that was asked.",
        )
        trusted = self.words("CSRF_TRUSTED_ORIGINS", (), "More origins whose forms the admin takes.")
        return Web(
            public_url=public_url,
            hosts=(*hosts, *given_hosts) or ("*",),
            origins=(*origins, *given_origins),
            csrf_origins=(*origins, *trusted),
            hsts_s=self.number(
                "SECURE_HSTS_SECONDS",
                Web().hsts_s,
                "How long browsers remember that this host is for HTTPS alone, when PUBLIC_URL is. 0: they are not "
                "told.",
                unit="seconds",
                minimum=0,
            ),
            redirect_to_https=self.switch(
                "SECURE_SSL_REDIRECT",
                True,
                "Send plain HTTP to HTTPS when PUBLIC_URL is HTTPS. The proxy in front must set X-Forwarded-Proto.",
            ),
        )

    def _origins(self, url: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(origins, host names) of a public URL; this machine goes by all of its names."""
        if not url:
            return (), ()
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in DEFAULT_PORTS or not host or parts.path or parts.query or parts.username:
            self.problems.append(f"PUBLIC_URL={url!r} is not a URL such as https://chat.example, without a path")
            return (), ()
        shown = f"[{host}]" if ":" in host else host
        hosts = LOOPBACK_HOSTS if is_loopback(host) else (shown,)
        behind = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
        return tuple(f"{parts.scheme}://{name}{behind}" for name in hosts), hosts

    def secrets(self) -> dict[str, Any]:
        self.section = "Secrets"
        return {
            "secret_key": self.text(
                "SECRET_KEY",
                "",
                "Signs the admin's log-in sessions: at least 50 random characters.",
                secret=True,
                required=True,
            ),
            "jwt_secret": self.text(
                "JWT_SECRET",
                "",
                "Signs access tokens: at least 32 random characters, not SECRET_KEY's. A new one logs everybody out.",
                secret=True,
                required=True,
            ),
        }

    def start(self) -> Start:
        self.section = "First start"
        return Start(
            admin_username=self.text(
                "DJANGO_SUPERUSER_USERNAME", "", "`manage.py prepare` makes this administrator if there is none yet."
            ),
            admin_password=self.text(
                "DJANGO_SUPERUSER_PASSWORD", "", "That administrator's first password.", secret=True
            ),
            wait_s=self.seconds(
                "SERVICES_WAIT", Start().wait_s, "How long `manage.py prepare` waits for the database, and for Redis."
            ),
            migrate_wait_s=self.seconds(
                "MIGRATE_WAIT",
                Start().migrate_wait_s,
                "How long it waits for another process that is migrating the same database.",
            ),
        )

    def storage(self) -> dict[str, Any]:
        self.section = "Storage"
        return {
            "data_dir": Path(
                self.text(
                    "DATA_DIR",
                    "var",
                    "Where the SQLite database, generated secrets and the run directory live. One server writes here.",
                    unit="path",
                )
            ).absolute(),
            "database_url": self.text(
                "DATABASE_URL",
                "",
                "`postgres://user:password@host:5432/name`, or `sqlite:////path/to/file`.",
                unit="URL",
                shown="SQLite in DATA_DIR",
                secret=True,
            ),
            "redis_url": self.redis_url(),
        }

    def redis_url(self) -> str | None:
        """REDIS_URL, else the names that the replaced server read: REDIS_HOST/PORT, REDIS_PORT_6379_TCP_ADDR/_PORT."""
        url = self.text(
            "REDIS_URL",
            "",
            "The Redis that the workers talk over: `redis://host:6379/0`. Nothing in it needs to be kept.",
            unit="URL",
            shown="an embedded one",
            secret=True,
        )
        host = self.text("REDIS_HOST", "", "Instead of REDIS_URL: its host.", unit="host")
        # Container links set REDIS_PORT to "tcp://address:port", which is no number.
        named = self.text("REDIS_PORT", "", "Instead of REDIS_URL: its port.", unit="port", shown="6379")
        linked = self.text("REDIS_PORT_6379_TCP_ADDR", "", "The host, as container links name it.", unit="host")
        linked_port = self.text(
            "REDIS_PORT_6379_TCP_PORT", "6379", "The port, as container links name it.", unit="port"
        )
        port = named if named.isdigit() else linked_port
        return url or (f"redis://{host or linked}:{port}/0" if host or linked else None)

    def database(self) -> Database:
        default = Database()
        return Database(
            pool=self.number(
                "DATABASE_POOL",
                default.pool,
                f"PostgreSQL connections that one worker's REST requests share; {default.own_connections} more are its "
                "live sessions'.",
                unit="connections",
                maximum=1_000,
            ),
        )

    def cluster(self) -> Cluster:
        self.section = "Processes"
        default = Cluster()
        cluster = Cluster(
            bind=self.text("BIND", default.bind, "Address to listen on; `::` for IPv6 and IPv4.", unit="address"),
            port=self.number("PORT", default.port, "Port to listen on.", unit="port", maximum=65_535),
            workers=self.number(
                "WORKERS",
                max((os.cpu_count() or 2) - 1, 1),
                "Worker processes. More than one need a Redis.",
                maximum=256,
                shown="CPUs less one",
            ),
            are_workers_given=bool(self.env.get("WORKERS", "").strip()),
            spare_workers=self.number(
                "SPARE_WORKERS",
                default.spare_workers,
                "Booted processes that wait to take the place of a worker that dies; each costs the memory of an idle "
                "worker.",
                minimum=0,
                maximum=16,
            ),
            trusted_proxies=self.networks(
                "TRUSTED_PROXIES",
                "Proxies of yours in front: only their X-Forwarded-For, X-Forwarded-Proto and X-Request-ID count. "
                "Needed when PUBLIC_URL is HTTPS.",
            ),
            hang_timeout_s=self.seconds(
                "HANG_TIMEOUT", default.hang_timeout_s, "A worker that is silent for so long is ended and replaced."
            ),
            drain_s=self.seconds(
                "DRAIN", default.drain_s, "How long a worker that is to end has for telling its sessions."
            ),
            hold_s=self.seconds(
                "HOLD", default.hold_s, "How long a new connection waits for a worker before it gets 503."
            ),
            term_timeout_s=self.seconds(
                "TERM_TIMEOUT", default.term_timeout_s, "How long a worker has between SIGTERM and SIGKILL."
            ),
            boot_failures=self.number(
                "BOOT_FAILURES",
                default.boot_failures,
                "After so many failed starts in a row the server gives up.",
                maximum=1_000,
            ),
        )
        if cluster.hang_timeout_s <= 2 * cluster.beat_interval_s:
            self.problems.append("HANG_TIMEOUT must be more than two beats (2s), else healthy workers are ended")
        return cluster

    def accounts(self) -> dict[str, Any]:
        self.section = "Accounts"
        return {
            "staff_totp": self.choice(
                "STAFF_TOTP",
                "optional",
                "Whether staff needs a second factor in the admin; who has one shows it in any case. The API and the "
                "chat protocols ask staff for a name and a password alone, too. Production's own default: `required`.",
                among=("optional", "required"),
            ),
            "account_deletion": self.choice(
                "ACCOUNT_DELETION",
                "keep",
                "What becomes of a deleted account's messages: kept under a neutral name, or removed.",
                among=("keep", "remove"),
            ),
        }

    def retention(self) -> Retention:
        self.section = "Retention"
        default = Retention()
        return Retention(
            days=self.number(
                "RETENTION_DAYS",
                default.days,
                "Older messages are deleted for good, where their channel does not say otherwise. 0: never.",
                unit="days",
                minimum=0,
                maximum=36_500,
            ),
            messages=self.number(
                "RETENTION_MESSAGES",
                default.messages,
                "Only so many of a channel's newest messages are kept. 0: all of them.",
                unit="messages",
                minimum=0,
            ),
            interval_s=self.seconds(
                "RETENTION_INTERVAL", default.interval_s, "How often the supervisor sees to that. 0: only by hand."
            ),
        )

    def logs(self) -> dict[str, Any]:
        self.section = "Logs and metrics"
        return {
            "metrics_allow": self.networks(
                "METRICS_ALLOW", "Who may read `/metrics` and the details of `/readyz`, beside this machine."
            ),
            "log_format": self.choice("LOG_FORMAT", "human", "One line for people, or one object.", among=LOG_FORMATS),
            "log_level": self.choice("LOG_LEVEL", "INFO", "The least that is logged.", among=LOG_LEVELS),
            "access_log": self.switch("ACCESS_LOG", False, "A line for each HTTP request and each WebSocket's end."),
            "sentry_dsn": self.text(
                "SENTRY_DSN",
                "",
                "Where unforeseen errors are reported, without requests, variables or message texts.",
                unit="URL",
                secret=True,
            ),
            "debug": self.switch("DEBUG", False, "Pages that explain errors; for development alone."),
        }


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
