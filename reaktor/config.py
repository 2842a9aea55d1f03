"""Every figure and switch of the server, read once from a mapping (the environment).

Frozen values in parts; units stand in the names; figures that contradict each other are refused at start.
Pure: the settings modules call Config.from_mapping(os.environ); everything else is handed the part it needs.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KIB = 1024
MIB = 1024 * 1024
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConfigError(ValueError):
    """A variable that can't be understood, or two that contradict each other; the text names them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `period_s` seconds."""

    count: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do. `enabled=False` (LIMITS=off) lifts the rates and counts, never the sizes."""

    enabled: bool = True
    frame_bytes: int = 64 * KIB
    body_bytes: int = 256 * KIB
    text_chars: int = 4_000
    unsent_bytes: int = MIB
    bad_frames: int = 10
    sessions_per_user: int = 10
    channels_per_session: int = 500
    connections_per_address: int = 100
    send: Rate = Rate(20, 10)
    operations: Rate = Rate(600, 60)
    create_channel: Rate = Rate(20, 3600)
    login: Rate = Rate(10, 60)
    register: Rate = Rate(60, 600)


@dataclass(frozen=True, slots=True)
class HttpTimings:
    """How long a client may take for the parts of an HTTP request and its answer, whatever it trickles meanwhile."""

    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    keep_alive_s: float = 60.0
    closing_s: float = 60.0


@dataclass(frozen=True, slots=True)
class NativeTimings:
    """The native transport's clock. Source: native protocol, "Connecting" and "Heartbeat"."""

    hello_timeout_s: float = 5.0
    ping_interval_s: float = 25.0
    pong_timeout_s: float = 20.0
    expiry_warning_s: float = 60.0
    expiry_grace_s: float = 30.0
    typing_expires_s: float = 6.0
    typing_interval_s: float = 3.0


@dataclass(frozen=True, slots=True)
class EngineIO:
    """Engine.IO's clock and bounds. Source: Engine.IO protocol, "Handshake"."""

    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    upgrade_timeout_s: float = 10.0
    connect_timeout_s: float = 45.0
    max_payload_bytes: int = 64 * KIB
    max_packets_per_payload: int = 1_000
    max_queued_packets: int = 10_000
    max_queued_bytes: int = MIB
    max_sessions: int = 20_000
    packet_rate: Rate = Rate(5_000, 10)
    linger_s: float = 30.0
    allowed_origins: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class MembershipTimings:
    """The membership protocol's clock. Source: docs/architecture.md, "Membership"."""

    tick_s: float = 0.25
    heartbeat_s: float = 1.0
    silence_s: float = 3.0
    hold_gap_s: float = 0.05
    command_timeout_s: float = 5.0
    publish_timeout_s: float = 2.0
    quit_grace_s: float = 8.0
    keep_grace_s: float = 60.0
    recovery_keep_s: float = 120.0
    bus_lost_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The hub's bounds: how much of a channel stays in memory, how often heads are compared with the store."""

    recent_messages: int = 200
    join_messages: int = 25
    hold_gap_s: float = 0.05
    heads_interval_s: float = 2.0
    idle_feed_s: float = 30.0
    sync_messages: int = 200
    sync_channel_bytes: int = 128 * KIB
    sync_total_bytes: int = 512 * KIB
    members_in_join: int = 200


@dataclass(frozen=True, slots=True)
class Database:
    """Threads that talk to the database, and how much may wait for them before `unavailable`."""

    read_threads: int = 4
    read_queue: int = 2_000
    write_queue: int = 10_000
    batch_messages: int = 500
    rest_running: int = 32
    rest_waiting: int = 256
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The supervisor's figures: what it listens on, how many workers, how long it waits for whom."""

    bind: str = "0.0.0.0"  # noqa: S104  a chat server is there to be reached; BIND narrows it
    port: int = 8000
    workers: int = 1
    trusted_proxies: tuple[IpNetwork, ...] = ()
    beat_interval_s: float = 1.0
    hang_timeout_s: float = 10.0
    term_timeout_s: float = 5.0
    boot_timeout_s: float = 30.0
    drain_s: float = 5.0
    backoff_min_s: float = 0.1
    backoff_max_s: float = 5.0
    boot_failures: int = 5
    hold_s: float = 10.0
    hold_count: int = 1_024
    peek_bytes: int = 8 * KIB
    peek_s: float = 2.0
    peek_count: int = 256
    listen_backlog: int = 2_048


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration of one server."""

    data_dir: Path
    redis_url: str | None = None
    jwt_secret: str | None = None
    allowed_origins: tuple[str, ...] = ()
    log_format: str = "human"
    limits: Limits = field(default_factory=Limits)
    http: HttpTimings = field(default_factory=HttpTimings)
    native: NativeTimings = field(default_factory=NativeTimings)
    engineio: EngineIO = field(default_factory=EngineIO)
    membership: MembershipTimings = field(default_factory=MembershipTimings)
    delivery: Delivery = field(default_factory=Delivery)
    database: Database = field(default_factory=Database)
    cluster: Cluster = field(default_factory=Cluster)

    @classmethod
    def from_mapping(cls, env: Mapping[str, str]) -> Config:
        """Read the environment's variables; unknown ones are ignored.

        Raises ConfigError with every problem found, not only the first.
        """
        return _Reader(env).config()

    @property
    def run_dir(self) -> Path:
        """Where the live cluster on this port keeps its sockets (0700)."""
        return self.data_dir / "run" / str(self.cluster.port)


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


class _Reader:
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
        )
        if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
            self.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
        return timings

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
            boot_failures=self.number("BOOT_FAILURES", default.boot_failures, maximum=1_000),
        )

    def config(self) -> Config:
        config = Config(
            data_dir=Path(self.text("DATA_DIR", "var")).absolute(),
            redis_url=self.redis_url(),
            jwt_secret=self.text("JWT_SECRET") or None,
            allowed_origins=self.words("ALLOWED_ORIGINS"),
            log_format=self.text("LOG_FORMAT", "human"),
            limits=self.limits(),
            http=self.http(),
            native=self.native(),
            engineio=self.engineio(),
            membership=self.membership(),
            cluster=self.cluster(),
        )
        if config.log_format not in {"human", "json"}:
            self.problems.append(f"LOG_FORMAT={config.log_format!r} is neither human nor json")
        if config.cluster.hang_timeout_s <= 2 * config.cluster.beat_interval_s:
            self.problems.append("HANG_TIMEOUT must be more than two beats (2s), else healthy workers are ended")
        if self.problems:
            raise ConfigError("; ".join(self.problems))
        return config
