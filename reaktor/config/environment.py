"""The environment, read into a Config: every variable of the server with its default, its unit and what it does.

A mapping such as os.environ goes in by config_from(), a Config or a ConfigError comes out. variables() gives the rows
that docs/settings.md and docker/chat.env are made of.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reaktor.addresses import read_endpoint
from reaktor.config.model import (
    MAX_HOST_NAME,
    MIN_SECRET_CHARS,
    Cluster,
    Config,
    ConfigError,
    Database,
    Delivery,
    EngineIO,
    HttpTimings,
    Limits,
    MembershipTimings,
    NativeTimings,
    RelayTls,
    Retention,
    Start,
    Web,
)
from reaktor.config.redis_at import SENTINEL_PORT, RedisAt
from reaktor.config.urls import DATABASE_SCHEMES, REDIS_SCHEMES, normal_service_url
from reaktor.config.variables import Reader, Variable
from reaktor.hosts import normal_host, normal_origin

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
COUNTS = {"MAX_SESSIONS_PER_USER": "sessions_per_user", "LIMIT_CONNECTIONS": "connections_per_address"}
"""Limits that are neither a rate nor a size, and the fields that they are read into."""
HOST_NAME = rf"(?=.{{1,{MAX_HOST_NAME}}}\Z)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
LOG_FORMATS = ("human", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def config_from(env: Mapping[str, str]) -> Config:
    """The whole configuration. Variables that nobody knows are ignored.

    Raises ConfigError with every problem found, not only the first.
    """
    return Environment(env).config()


def variables() -> list[Variable]:
    """Every variable, in the order of the documentation."""
    environment = Environment({})
    environment.config()
    return environment.variables


class Environment(Reader):
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
            delivery=self.delivery(),
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
            "The address under which people find the server, such as `https://chat.example`. It sets the "
            "hosts that the server answers to, the origins of its pages, and whether cookies are for HTTPS "
            "alone. `http` is for this machine only (`http://localhost:8000`).",
            unit="URL",
            required=True,
        )
        public_url, origins, hosts = self._names(public_url)
        given_hosts = self.hosts("ALLOWED_HOSTS", "More host names that the server answers to.")
        given_origins = self.origins(
            "ALLOWED_ORIGINS",
            (),
            "More origins whose pages may open `/ws/v1` and call `/api/v1` (`https://app.example`), or `*` "
            "for all. With neither this nor PUBLIC_URL, pages of the host that was asked may.",
        )
        trusted = self.origins("CSRF_TRUSTED_ORIGINS", (), "More origins whose forms the admin accepts.")
        return Web(
            public_url=public_url,
            hosts=(*hosts, *given_hosts) or ("*",),
            origins=(*origins, *given_origins),
            csrf_origins=(*origins, *trusted),
            hsts_s=self.number(
                "SECURE_HSTS_SECONDS",
                Web().hsts_s,
                "How long browsers remember that this host is for HTTPS alone. It is told them only if PUBLIC_URL "
                "is HTTPS. 0: it is not told.",
                unit="seconds",
                minimum=0,
            ),
            redirect_to_https=self.switch(
                "SECURE_SSL_REDIRECT",
                True,
                "Send plain HTTP to HTTPS if PUBLIC_URL is HTTPS. The proxy in front must set X-Forwarded-Proto.",
            ),
        )

    def _names(self, url: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """(the URL as browsers write it, origins, hosts) of a public URL; this machine goes by all of its names."""
        if not url:
            return "", (), ()
        try:
            origin = normal_origin(url)
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https"):
                raise ValueError("not for a browser")
        except ValueError:
            self.problems.append(f"PUBLIC_URL={url!r} is not a URL such as https://chat.example, without a path")
            return "", (), ()
        host = normal_host(parts.hostname or "")
        hosts = LOOPBACK_HOSTS if is_loopback(host) else (host,)
        behind = "" if parts.port is None else f":{parts.port}"
        return origin, tuple(f"{parts.scheme}://{name}{behind}" for name in hosts), hosts

    def secrets(self) -> dict[str, Any]:
        self.section = "Secrets"
        return {
            "secret_key": self.text(
                "SECRET_KEY",
                "",
                f"Signs the log-in sessions of the admin. Give at least {MIN_SECRET_CHARS} random characters. "
                "Django's own `check --deploy` warns below 50.",
                secret=True,
                required=True,
            ),
            "jwt_secret": self.text(
                "JWT_SECRET",
                "",
                f"Signs access tokens. Give at least {MIN_SECRET_CHARS} random characters, others than in SECRET_KEY. "
                "A new one logs everybody out.",
                secret=True,
                required=True,
            ),
        }

    def start(self) -> Start:
        self.section = "First start"
        return Start(
            admin_username=self.text(
                "DJANGO_SUPERUSER_USERNAME",
                "",
                "The administrator that `manage.py prepare` makes if there is no account of that name.",
            ),
            admin_password=self.text(
                "DJANGO_SUPERUSER_PASSWORD", "", "The first password of that administrator.", secret=True
            ),
            wait_s=self.seconds(
                "SERVICES_WAIT", Start().wait_s, "How long `manage.py prepare` waits for the database, and for Redis."
            ),
            migrate_wait_s=self.seconds(
                "MIGRATE_WAIT",
                Start().migrate_wait_s,
                "How long `manage.py prepare` waits for another process that migrates the same database.",
            ),
        )

    def storage(self) -> dict[str, Any]:
        self.section = "Storage"
        return {
            "data_dir": Path(
                self.text(
                    "DATA_DIR",
                    "var",
                    "The directory of the SQLite database, of the secrets that the server made, and of the run "
                    "directory. It belongs to one server on one host: a second one there is refused.",
                    unit="path",
                )
            ).absolute(),
            "host_name": self.host_name(),
            "is_host_named": bool(self.env.get("HOST_NAME", "").strip()),
            "database_url": self.service_url(
                "DATABASE_URL",
                "The database: `postgres://user:password@host:5432/name`, or `sqlite:////path/to/file`. In a user "
                "name, password or path write `/` as `%2F`, `?` as `%3F`, `@` as `%40` and `%` as `%25`.",
                DATABASE_SCHEMES,
                shown="SQLite in DATA_DIR",
            ),
            "database_direct_url": self._database_direct_url(),
            "redis": self.redis(),
        }

    def host_name(self) -> str:
        """HOST_NAME, else what the machine is called, in the letters that a name may have."""
        own = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())[:MAX_HOST_NAME].strip("-.") or "localhost"
        name = self.text(
            "HOST_NAME",
            own,
            "What this host is called among those that work on the same database: letters, digits, `.` and `-`. Each "
            "has a name of its own, and keeps it over restarts.",
            unit="name",
            shown="the machine's name",
        )
        if not re.fullmatch(HOST_NAME, name):
            self.problems.append(
                f"HOST_NAME={name!r} is not a name of up to {MAX_HOST_NAME} letters, digits, dots and hyphens, with a "
                "letter or digit at both ends"
            )
        return name

    def _database_direct_url(self) -> str:
        url = self.service_url(
            "DATABASE_DIRECT_URL",
            "The same database past a pooler such as PgBouncer, if DATABASE_URL leads to one: for the supervisor, "
            "`manage.py prepare` and all other commands. In transaction mode they need it.",
            [scheme for scheme in DATABASE_SCHEMES if scheme != "sqlite"],
            shown="DATABASE_URL",
        )
        pooled = self.env.get("DATABASE_URL", "").strip()
        if url and (not pooled or pooled.startswith("sqlite:")):
            self.problems.append(
                "DATABASE_DIRECT_URL is for a pooler in front of PostgreSQL: name that in DATABASE_URL"
            )
        return url

    def redis(self) -> RedisAt | None:
        """By its URL or, where Sentinels are named, by whoever they name; None: none is named."""
        url = self.redis_url()
        at = RedisAt(
            url or "redis://",
            ca_file=self.text(
                "REDIS_CA_FILE",
                "",
                "Who signed the certificate of a Redis with TLS (a file in PEM), if the system does not know them. The "
                "certificate must name the host, or the address, that is connected to.",
                unit="path",
            ),
            sentinels=self.places(
                "REDIS_SENTINELS",
                "The Sentinels that know which Redis is the master: `host:26379,host:26379`. REDIS_URL then names "
                "no host, but how to log in, if one has to: `redis://user:password@`, or `rediss://…` for TLS to "
                "all of them.",
                SENTINEL_PORT,
            ),
            master=self.text("REDIS_SENTINEL_MASTER", "mymaster", "The name of that master among the Sentinels."),
            sentinel_password=self.text(
                "REDIS_SENTINEL_PASSWORD", "", "The password of the Sentinels, if they have one.", secret=True
            ),
        )
        self._check_redis(at)
        return at if url or at.sentinels else None

    def _check_redis(self, at: RedisAt) -> None:
        if at.ca_file and not at.is_tls:
            self.problems.append("REDIS_CA_FILE is for a Redis with TLS: begin REDIS_URL with rediss://, or give none")
        elif at.ca_file and not Path(at.ca_file).is_file():
            self.problems.append(f"REDIS_CA_FILE: there is no file {at.ca_file}")
        if not at.sentinels:
            for name in ("REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_PASSWORD"):
                if self.env.get(name, "").strip():
                    self.problems.append(f"{name} is nothing without REDIS_SENTINELS, such as host:26379,host:26379")
            return
        parts = urlsplit(at.url)
        if parts.scheme == "unix" or parts.netloc.rpartition("@")[2]:
            self.problems.append(
                "REDIS_SENTINELS say where the Redis is: take the host out of REDIS_URL (or REDIS_HOST away), as in "
                "redis://user:password@/0"
            )
        if parts.query:
            self.problems.append("REDIS_URL can have nothing behind a ? where REDIS_SENTINELS are given: take it out")

    def redis_url(self) -> str | None:
        """REDIS_URL, else the names that the replaced server read: REDIS_HOST/PORT, REDIS_PORT_6379_TCP_ADDR/_PORT."""
        url = self.service_url(
            "REDIS_URL",
            "The Redis that the workers talk over: `redis://host:6379/0`, with a user and TLS "
            "`rediss://user:password@host:6379/0`. It needs to keep nothing. Servers of different databases may share "
            "it. A password is written as in DATABASE_URL.",
            REDIS_SCHEMES,
            shown="an embedded one",
        )
        host = self.text("REDIS_HOST", "", "The host of that Redis, if REDIS_URL is not given.", unit="host")
        # Container links set REDIS_PORT to "tcp://address:port", which is no number.
        named = self.text(
            "REDIS_PORT", "", "The port of that Redis, if REDIS_URL is not given.", unit="port", shown="6379"
        )
        linked = self.text(
            "REDIS_PORT_6379_TCP_ADDR", "", "The host, under the name that container links give it.", unit="host"
        )
        linked_port = self.text(
            "REDIS_PORT_6379_TCP_PORT", "6379", "The port, under the name that container links give it.", unit="port"
        )
        port = named if named.isdigit() else linked_port
        if url or not (host or linked):
            return url or None
        try:
            return normal_service_url(f"redis://{normal_host(host or linked)}:{port}/0", REDIS_SCHEMES)
        except ValueError:
            self.problems.append(
                f"{'REDIS_HOST' if host else 'REDIS_PORT_6379_TCP_ADDR'}={host or linked!r} is not a host name or "
                f"address, or {port!r} not its port"
            )
            return None

    def database(self) -> Database:
        default = Database()
        return Database(
            pool=self.number(
                "DATABASE_POOL",
                default.pool,
                f"How many PostgreSQL connections the REST requests of one worker share. Its live sessions have "
                f"{default.own_connections} more.",
                unit="connections",
                maximum=1_000,
            ),
        )

    def cluster(self) -> Cluster:
        self.section = "Processes"
        default = Cluster()
        cluster = Cluster(
            bind=self.text(
                "BIND",
                default.bind,
                "The address to listen on; `::` for IPv6 and IPv4, several separated by commas. With the local "
                "settings, which `make run` has, the default is `127.0.0.1`: this machine alone.",
                unit="address",
            ),
            port=self.number(
                "PORT",
                default.port,
                "The port to listen on. Commands that ask a running server find it without PORT if it is the only "
                "one in DATA_DIR.",
                unit="port",
                maximum=65_535,
            ),
            is_port_given=bool(self.env.get("PORT", "").strip()),
            advertise=self.advertise(),
            relay_tls=self.relay_tls(),
            workers=self.number(
                "WORKERS",
                max((os.cpu_count() or 2) - 1, 1),
                "How many worker processes run. More than one need a Redis.",
                maximum=256,
                shown="CPUs less one",
            ),
            are_workers_given=bool(self.env.get("WORKERS", "").strip()),
            spare_workers=self.number(
                "SPARE_WORKERS",
                default.spare_workers,
                "How many booted processes wait to take the place of a worker that dies. Each costs the memory of "
                "an idle worker.",
                minimum=0,
                maximum=16,
            ),
            trusted_proxies=self.networks(
                "TRUSTED_PROXIES",
                "Your proxies in front. X-Forwarded-For, X-Forwarded-Proto and X-Request-ID count only if they "
                "come from one of these. Needed if PUBLIC_URL is HTTPS.",
            ),
            hang_timeout_s=self.seconds(
                "HANG_TIMEOUT", default.hang_timeout_s, "A worker that says nothing for so long is ended and replaced."
            ),
            drain_s=self.seconds(
                "DRAIN", default.drain_s, "How long a worker that is to end may take to tell its sessions."
            ),
            hold_s=self.seconds(
                "HOLD", default.hold_s, "How long a new connection waits for a worker. After that it gets 503."
            ),
            term_timeout_s=self.seconds(
                "TERM_TIMEOUT",
                default.term_timeout_s,
                "How long a worker may take to end after SIGTERM. After that it gets SIGKILL.",
            ),
            boot_failures=self.number(
                "BOOT_FAILURES",
                default.boot_failures,
                "After so many failed starts in a row a worker is given up. If no other worker serves, the server "
                "ends.",
                maximum=1_000,
            ),
        )
        if cluster.hang_timeout_s <= 2 * cluster.beat_interval_s:
            self.problems.append("HANG_TIMEOUT must be more than two beats (2s), else healthy workers are ended")
        if cluster.advertise and read_endpoint(cluster.advertise)[1] == cluster.port:
            self.problems.append(f"ADVERTISE={cluster.advertise!r} needs another port than PORT, which is for clients")
        return cluster

    def advertise(self) -> str:
        """ADVERTISE as it is written; empty where it is none."""
        given = self.text(
            "ADVERTISE",
            "",
            "Where other hosts of this chat bring requests for sessions of this one: an address of this host in your "
            "private network, and a port of its own, as in `10.0.0.5:8001` or `[fd00::5]:8001`. Never open it to the "
            "internet. Without it nothing is relayed to this host.",
            unit="address:port",
        )
        try:
            address = read_endpoint(given)[0] if given else ""
        except ValueError:
            self.problems.append(f"ADVERTISE={given!r} is not an address and a port such as 10.0.0.5:8001")
            return ""
        if given and ipaddress.ip_address(address).is_unspecified:
            self.problems.append(f"ADVERTISE={given!r} is no address that other hosts can connect to")
            return ""
        return given

    def relay_tls(self) -> RelayTls | None:
        """None where no file is named."""
        given = {
            "RELAY_CERT_FILE": self.text(
                "RELAY_CERT_FILE",
                "",
                "For TLS between hosts: the certificate of this one (a file in PEM), which must name the address in "
                "ADVERTISE. All hosts have TLS, or none. `clusterctl reload` reads the files again.",
                unit="path",
            ),
            "RELAY_KEY_FILE": self.text(
                "RELAY_KEY_FILE", "", "The key of RELAY_CERT_FILE, without a password (a file in PEM).", unit="path"
            ),
            "RELAY_CA_FILE": self.text(
                "RELAY_CA_FILE",
                "",
                "Who signed the certificates of all hosts (a file in PEM). No other authority is believed.",
                unit="path",
            ),
        }
        if not any(given.values()):
            return None
        for name, path in given.items():
            if not path:
                self.problems.append(f"{name} is missing: {', '.join(given)} go together")
            elif not Path(path).is_file():
                self.problems.append(f"{name}: there is no file {path}")
        return RelayTls(*given.values())

    def limits(self) -> Limits:
        self.section = "Limits"
        default = Limits()
        return Limits(
            enabled=self.switch(
                "LIMITS",
                True,
                "`off` lifts the rates and counts, for benchmarks. The sizes stay, and so do MAX_SESSIONS_PER_USER and "
                "LIMIT_CONNECTIONS where they are given.",
            ),
            given=frozenset(field for name, field in COUNTS.items() if self.env.get(name, "").strip()),
            frame_bytes=self.number(
                "LIMIT_FRAME_BYTES", default.frame_bytes, "The largest frame of the native protocol.", unit="bytes"
            ),
            body_bytes=self.number(
                "LIMIT_BODY_BYTES", default.body_bytes, "The largest body of a request.", unit="bytes"
            ),
            text_chars=self.number("LIMIT_TEXT_CHARS", default.text_chars, "The longest message.", unit="characters"),
            unsent_bytes=self.number(
                "LIMIT_UNSENT_BYTES",
                default.unsent_bytes,
                "A native session whose client leaves more than this unread is closed.",
                unit="bytes",
            ),
            sessions_per_user=self.number(
                "MAX_SESSIONS_PER_USER",
                default.sessions_per_user,
                "How many live sessions one user may have.",
                unit="sessions",
            ),
            channels_per_session=self.number(
                "LIMIT_CHANNELS_PER_SESSION",
                default.channels_per_session,
                "How many channels one session may be in.",
                unit="channels",
            ),
            seed_channels=self.number(
                "SEED_CHANNELS",
                default.seed_channels,
                "How many of the newest public channels the seed contract's list shows, beside General, Programming "
                "and Random. It has no pages.",
                unit="channels",
                maximum=10_000,
            ),
            connections_per_address=self.number(
                "LIMIT_CONNECTIONS",
                default.connections_per_address,
                "How many connections one address may hold, to all workers together. An IPv6 /64 counts as one "
                "address.",
                unit="connections",
            ),
            frames=self.rate(
                "LIMIT_FRAMES",
                default.frames,
                "How many frames one WebSocket may send, empty ones and pings among them: so many at once, and as many "
                "again evenly over the time. What is more is read later.",
            ),
            incoming_bytes=self.rate(
                "LIMIT_INCOMING_BYTES",
                default.incoming_bytes,
                "How many bytes one WebSocket may send, in the same way.",
            ),
            refusals=self.rate(
                "LIMIT_REFUSALS",
                default.refusals,
                "How often one user may be refused by one worker. Whoever goes on loses the live session, and gets a "
                "new one when the time is over.",
            ),
            requests_per_address=self.rate(
                "LIMIT_REQUESTS_PER_ADDRESS",
                default.requests_per_address,
                "How many requests one address may make of one worker, for REST, pages and files together, and for new "
                "sessions: so many at once, and as many again evenly over the time. An IPv6 /64 counts as one address.",
            ),
            requests_per_user=self.rate(
                "LIMIT_REQUESTS_PER_USER",
                default.requests_per_user,
                "How many REST requests one user may make of one worker, in the same way.",
            ),
            send=self.rate("LIMIT_SEND", default.send, "How many messages one user may send."),
            operations=self.rate(
                "LIMIT_OPERATIONS",
                default.operations,
                "How many operations one live session may ask for; over REST, how many exports, read markers and "
                "deletions one user.",
            ),
            lists=self.rate(
                "LIMIT_LISTS",
                default.lists,
                "How many pages of the list of channels, searches among them, one user may ask one worker for. The "
                "seed contract's list counts for five.",
            ),
            join=self.rate("LIMIT_JOIN", default.join, "How many channels one user may enter, or look at anew."),
            create_channel=self.rate(
                "LIMIT_CREATE_CHANNEL", default.create_channel, "How many channels one user may create."
            ),
            changes=self.rate(
                "LIMIT_CHANGES",
                default.changes,
                "How many edits, reactions, reports and changes of channels one user may make, and how many "
                "sessions they may end.",
            ),
            memberships=self.rate(
                "LIMIT_MEMBERSHIPS",
                default.memberships,
                "How many memberships, invites, direct channels and personal blocks one user may change.",
            ),
            moderation=self.rate(
                "LIMIT_MODERATION",
                default.moderation,
                "How many sanctions, roles and decisions on reports one user may make.",
            ),
            bulk_delete=self.rate(
                "LIMIT_BULK_DELETE", default.bulk_delete, "How often one user may delete many messages at once."
            ),
            rename=self.rate(
                "LIMIT_RENAME",
                default.rename,
                "How often one user may take a new name. Each new name ends all of their sessions, which come back.",
            ),
            login=self.rate("LIMIT_LOGIN", default.login, "How many log-ins with one name are tried from one address."),
            register=self.rate("LIMIT_REGISTER", default.register, "How many accounts are made from one address."),
            new_account_s=self.seconds("NEW_ACCOUNT", default.new_account_s, "How long an account counts as new."),
            new_account_links=self.number(
                "LIMIT_LINKS",
                default.new_account_links,
                "How many links one message of a new account may have.",
                unit="links",
                minimum=0,
            ),
        )

    def http(self) -> HttpTimings:
        self.section = "HTTP"
        default = HttpTimings()
        return HttpTimings(
            header_timeout_s=self.seconds(
                "HEADER_TIMEOUT", default.header_timeout_s, "How long the headers of a request may take to arrive."
            ),
            body_timeout_s=self.seconds(
                "BODY_TIMEOUT", default.body_timeout_s, "How long the body of a request may take to arrive."
            ),
            keep_alive_s=self.seconds(
                "KEEP_ALIVE", default.keep_alive_s, "How long a connection stays open between two requests."
            ),
        )

    def native(self) -> NativeTimings:
        self.section = "Native protocol"
        default = NativeTimings()
        return NativeTimings(
            hello_timeout_s=self.seconds(
                "HELLO_TIMEOUT", default.hello_timeout_s, "How long a new connection may take to say `hello`."
            ),
            ping_interval_s=self.seconds(
                "PING_INTERVAL", default.ping_interval_s, "A session that says nothing for so long is pinged."
            ),
            pong_timeout_s=self.seconds(
                "PONG_TIMEOUT", default.pong_timeout_s, "How long it may take to answer the ping."
            ),
            expiry_warning_s=self.seconds(
                "TOKEN_EXPIRY_WARNING",
                default.expiry_warning_s,
                "How long before its token ends a session is warned, over Socket.IO too.",
            ),
            expiry_grace_s=self.seconds(
                "TOKEN_EXPIRY_GRACE",
                default.expiry_grace_s,
                "How long a native session lives on after its token ended.",
            ),
        )

    def engineio(self) -> EngineIO:
        self.section = "Socket.IO"
        default = EngineIO()
        return EngineIO(
            ping_interval_s=self.seconds(
                "ENGINEIO_PING_INTERVAL", default.ping_interval_s, "How often the heartbeat beats."
            ),
            ping_timeout_s=self.seconds(
                "ENGINEIO_PING_TIMEOUT", default.ping_timeout_s, "How long the answer to a heartbeat may take."
            ),
            upgrade_timeout_s=self.seconds(
                "ENGINEIO_UPGRADE_TIMEOUT",
                default.upgrade_timeout_s,
                "How long the change from polling to WebSocket may take.",
            ),
            connect_timeout_s=self.seconds(
                "ENGINEIO_CONNECT_TIMEOUT",
                default.connect_timeout_s,
                "How long a session may last that has joined no namespace.",
            ),
            max_payload_bytes=self.number(
                "ENGINEIO_MAX_PAYLOAD",
                default.max_payload_bytes,
                "The largest body of a POST, and the largest frame.",
                unit="bytes",
            ),
            max_sessions=self.number(
                "ENGINEIO_MAX_SESSIONS", default.max_sessions, "How many sessions one worker takes.", unit="sessions"
            ),
            packet_rate=self.rate(
                "ENGINEIO_PACKET_RATE", default.packet_rate, "How many packets one session may send."
            ),
            allowed_origins=self.origins(
                "SOCKETIO_ALLOWED_ORIGINS",
                default.allowed_origins,
                "Origins whose pages may connect. All may by default, because clients show a token and never a cookie.",
            ),
        )

    def membership(self) -> MembershipTimings:
        self.section = "Presence"
        default = MembershipTimings()
        timings = MembershipTimings(
            quit_grace_s=self.seconds(
                "SOCKETIO_QUIT_GRACE",
                default.quit_grace_s,
                "How long a Socket.IO client may be away before the others are told that it left.",
            ),
            keep_grace_s=self.seconds(
                "SOCKETIO_KEEP_GRACE", default.keep_grace_s, "How long the channels of such a client are kept for it."
            ),
            recovery_keep_s=self.seconds(
                "SOCKETIO_RECOVERY",
                default.recovery_keep_s,
                "The same for clients of Socket.IO 3 and 4, which can recover their state.",
            ),
            bus_lost_s=self.seconds(
                "BUS_LOST",
                default.bus_lost_s,
                "If a worker hears no authority over the bus for so long, it ends its sessions. They come back.",
            ),
        )
        if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
            self.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
        return timings

    def accounts(self) -> dict[str, Any]:
        self.section = "Accounts"
        return {
            "staff_totp": self.choice(
                "STAFF_TOTP",
                "optional",
                "Whether staff must have a second factor for the admin. Whoever has one must show it in any case. "
                "The API and the chat protocols never ask for it. The default in production is `required`.",
                among=("optional", "required"),
            ),
            "account_deletion": self.choice(
                "ACCOUNT_DELETION",
                "keep",
                "What becomes of the messages of a deleted account: kept under a neutral name, or removed.",
                among=("keep", "remove"),
            ),
        }

    def delivery(self) -> Delivery:
        self.section = "Memory"
        default = Delivery()
        return Delivery(
            recent_messages=self.number(
                "RECENT_MESSAGES",
                default.recent_messages,
                "How many changed messages of one channel a worker remembers. Who comes back is sent from memory what "
                "it missed, as far as that reaches, and the rest from the database.",
                unit="messages",
            ),
            recent_bytes=self.number(
                "RECENT_BYTES", default.recent_bytes, "How much memory those of one channel may take.", unit="bytes"
            ),
            recent_total_bytes=self.number(
                "RECENT_TOTAL_BYTES",
                default.recent_total_bytes,
                "How much memory those of all channels of one worker may take. The channels in which nothing was said "
                "for longest are forgotten first.",
                unit="bytes",
            ),
        )

    def retention(self) -> Retention:
        self.section = "Retention"
        default = Retention()
        return Retention(
            days=self.number(
                "RETENTION_DAYS",
                default.days,
                "Messages that are older are deleted for good. A channel may have a rule of its own. 0: none are.",
                unit="days",
                minimum=0,
                maximum=36_500,
            ),
            messages=self.number(
                "RETENTION_MESSAGES",
                default.messages,
                "Only so many of the newest messages of a channel are kept. A channel may have a rule of its own. "
                "0: all are.",
                unit="messages",
                minimum=0,
            ),
            interval_s=self.seconds(
                "RETENTION_INTERVAL",
                default.interval_s,
                "How often the supervisor applies these rules. 0: only you do, by hand.",
            ),
        )

    def logs(self) -> dict[str, Any]:
        self.section = "Logs and metrics"
        return {
            "metrics_allow": self.networks(
                "METRICS_ALLOW", "Who may read `/metrics` and the details of `/readyz`, beside this machine."
            ),
            "log_format": self.choice(
                "LOG_FORMAT", "human", "How a log line looks: text for people, or a JSON object.", among=LOG_FORMATS
            ),
            "log_level": self.choice("LOG_LEVEL", "INFO", "The lowest level that is logged.", among=LOG_LEVELS),
            "access_log": self.switch(
                "ACCESS_LOG", False, "Log a line for each HTTP request, and for the end of each WebSocket."
            ),
            "sentry_dsn": self.text(
                "SENTRY_DSN",
                "",
                "Where logged errors are reported, without requests, variables or message texts.",
                unit="URL",
                secret=True,
            ),
            "debug": self.switch("DEBUG", False, "Show pages that explain errors. For development alone."),
        }


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
