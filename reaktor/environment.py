"""The environment, read into a Config: names, defaults, what is wrong with them, all at once.

Called by Config.from_mapping() alone; every variable of the server is named here. Pure.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path

from reaktor.config import (
    Cluster,
    Config,
    ConfigError,
    EngineIO,
    HttpTimings,
    IpNetwork,
    Limits,
    MembershipTimings,
    NativeTimings,
    Rate,
    Retention,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_OFF = {"0", "off", "no", "false"}


def parse_duration_s(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `2h`, `7d`, `250ms`. Raises ConfigError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a duration such as 90s, 10m or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_rate(text: str) -> Rate:
    """`60/10m` as a Rate. Raises ConfigError."""
    count, slash, period = text.partition("/")
    if not slash or not count.strip().isdigit() or int(count) < 1:
        raise ConfigError(f"{text!r} is not a rate such as 60/10m")
    period = period.strip()
    return Rate(int(count), parse_duration_s(period if period[:1].isdigit() else f"1{period}"))


class Reader:
    """Takes variables one by one and gathers what is wrong with them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.env.get(name, "").strip() or default

    def number(self, name: str, default: int, minimum: int = 1, maximum: int = 2**31) -> int:
        raw = self.text(name)
        if not raw:
            return default
        if not raw.isdigit() or not minimum <= int(raw) <= maximum:
            self.problems.append(f"{name}={raw!r} is not a whole number from {minimum} to {maximum}")
            return default
        return int(raw)

    def seconds(self, name: str, default: float) -> float:
        raw = self.text(name)
        try:
            return parse_duration_s(raw) if raw else default
        except ConfigError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def rate(self, name: str, default: Rate) -> Rate:
        raw = self.text(name)
        try:
            return parse_rate(raw) if raw else default
        except ConfigError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def words(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple(word for word in re.split(r"[,\s]+", self.text(name)) if word) or default

    def networks(self, name: str) -> tuple[IpNetwork, ...]:
        found: list[IpNetwork] = []
        for word in self.words(name):
            try:
                found.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self.problems.append(f"{name}: {word!r} is not an address or network")
        return tuple(found)

    def redis_url(self) -> str | None:
        """REDIS_URL, else the names that the replaced server read: REDIS_HOST/PORT, REDIS_PORT_6379_TCP_ADDR/_PORT."""
        if url := self.text("REDIS_URL"):
            return url
        host = self.text("REDIS_HOST") or self.text("REDIS_PORT_6379_TCP_ADDR")
        # Container links set REDIS_PORT to "tcp://address:port", which is no number.
        named = self.text("REDIS_PORT")
        port = named if named.isdigit() else self.text("REDIS_PORT_6379_TCP_PORT", "6379")
        return f"redis://{host}:{port}/0" if host else None

    def limits(self) -> Limits:
        default = Limits()
        return Limits(
            enabled=self.text("LIMITS", "on").lower() not in _OFF,
            frame_bytes=self.number("LIMIT_FRAME_BYTES", default.frame_bytes),
            body_bytes=self.number("LIMIT_BODY_BYTES", default.body_bytes),
            text_chars=self.number("LIMIT_TEXT_CHARS", default.text_chars),
            unsent_bytes=self.number("LIMIT_UNSENT_BYTES", default.unsent_bytes),
            sessions_per_user=self.number("MAX_SESSIONS_PER_USER", default.sessions_per_user),
            channels_per_session=self.number("LIMIT_CHANNELS_PER_SESSION", default.channels_per_session),
            connections_per_address=self.number("LIMIT_CONNECTIONS", default.connections_per_address),
            send=self.rate("LIMIT_SEND", default.send),
            operations=self.rate("LIMIT_OPERATIONS", default.operations),
            create_channel=self.rate("LIMIT_CREATE_CHANNEL", default.create_channel),
            login=self.rate("LIMIT_LOGIN", default.login),
            register=self.rate("LIMIT_REGISTER", default.register),
            new_account_s=self.seconds("NEW_ACCOUNT", default.new_account_s),
            new_account_links=self.number("LIMIT_LINKS", default.new_account_links, minimum=0),
        )

    def http(self) -> HttpTimings:
        default = HttpTimings()
        return HttpTimings(
            header_timeout_s=self.seconds("HEADER_TIMEOUT", default.header_timeout_s),
            body_timeout_s=self.seconds("BODY_TIMEOUT", default.body_timeout_s),
            keep_alive_s=self.seconds("KEEP_ALIVE", default.keep_alive_s),
        )

    def native(self) -> NativeTimings:
        default = NativeTimings()
        return NativeTimings(
            hello_timeout_s=self.seconds("HELLO_TIMEOUT", default.hello_timeout_s),
            ping_interval_s=self.seconds("PING_INTERVAL", default.ping_interval_s),
            pong_timeout_s=self.seconds("PONG_TIMEOUT", default.pong_timeout_s),
            expiry_warning_s=self.seconds("TOKEN_EXPIRY_WARNING", default.expiry_warning_s),
            expiry_grace_s=self.seconds("TOKEN_EXPIRY_GRACE", default.expiry_grace_s),
        )

    def engineio(self) -> EngineIO:
        default = EngineIO()
        return EngineIO(
            ping_interval_s=self.seconds("ENGINEIO_PING_INTERVAL", default.ping_interval_s),
            ping_timeout_s=self.seconds("ENGINEIO_PING_TIMEOUT", default.ping_timeout_s),
            upgrade_timeout_s=self.seconds("ENGINEIO_UPGRADE_TIMEOUT", default.upgrade_timeout_s),
            connect_timeout_s=self.seconds("ENGINEIO_CONNECT_TIMEOUT", default.connect_timeout_s),
            max_payload_bytes=self.number("ENGINEIO_MAX_PAYLOAD", default.max_payload_bytes),
            max_sessions=self.number("ENGINEIO_MAX_SESSIONS", default.max_sessions),
            packet_rate=self.rate("ENGINEIO_PACKET_RATE", default.packet_rate),
            allowed_origins=self.words("SOCKETIO_ALLOWED_ORIGINS", default.allowed_origins),
        )

    def membership(self) -> MembershipTimings:
        default = MembershipTimings()
        timings = MembershipTimings(
            quit_grace_s=self.seconds("SOCKETIO_QUIT_GRACE", default.quit_grace_s),
            keep_grace_s=self.seconds("SOCKETIO_KEEP_GRACE", default.keep_grace_s),
            recovery_keep_s=self.seconds("SOCKETIO_RECOVERY", default.recovery_keep_s),
            bus_lost_s=self.seconds("BUS_LOST", default.bus_lost_s),
        )
        if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
            self.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
        return timings

    def retention(self) -> Retention:
        default = Retention()
        return Retention(
            days=self.number("RETENTION_DAYS", default.days, minimum=0, maximum=36_500),
            messages=self.number("RETENTION_MESSAGES", default.messages, minimum=0),
            interval_s=self.seconds("RETENTION_INTERVAL", default.interval_s),
        )

    def cluster(self) -> Cluster:
        default = Cluster()
        return Cluster(
            bind=self.text("BIND", default.bind),
            port=self.number("PORT", default.port, maximum=65_535),
            workers=self.number("WORKERS", max((os.cpu_count() or 2) - 1, 1), maximum=256),
            trusted_proxies=self.networks("TRUSTED_PROXIES"),
            hang_timeout_s=self.seconds("HANG_TIMEOUT", default.hang_timeout_s),
            drain_s=self.seconds("DRAIN", default.drain_s),
            hold_s=self.seconds("HOLD", default.hold_s),
            term_timeout_s=self.seconds("TERM_TIMEOUT", default.term_timeout_s),
            boot_failures=self.number("BOOT_FAILURES", default.boot_failures, maximum=1_000),
        )

    def config(self) -> Config:
        config = Config(
            data_dir=Path(self.text("DATA_DIR", "var")).absolute(),
            redis_url=self.redis_url(),
            jwt_secret=self.text("JWT_SECRET") or None,
            allowed_origins=self.words("ALLOWED_ORIGINS"),
            metrics_allow=self.networks("METRICS_ALLOW"),
            log_format=self.text("LOG_FORMAT", "human"),
            limits=self.limits(),
            http=self.http(),
            native=self.native(),
            engineio=self.engineio(),
            membership=self.membership(),
            retention=self.retention(),
            cluster=self.cluster(),
        )
        if config.log_format not in {"human", "json"}:
            self.problems.append(f"LOG_FORMAT={config.log_format!r} is neither human nor json")
        if config.cluster.hang_timeout_s <= 2 * config.cluster.beat_interval_s:
            self.problems.append("HANG_TIMEOUT must be more than two beats (2s), else healthy workers are ended")
        if self.problems:
            raise ConfigError("; ".join(self.problems))
        return config
