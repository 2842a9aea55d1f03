"""Every figure and switch of the server: frozen values in parts, with their units in their names.

reaktor.config.environment makes a Config of the environment, once, for the settings. Everything else is handed the
part that it needs. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reaktor.addresses import IpNetwork
from reaktor.config.redis_at import RedisAt

KIB = 1024
MIB = 1024 * 1024
UNLIMITED = 1_000_000
MIN_SECRET_CHARS = 32
"""What production asks of SECRET_KEY, JWT_SECRET and VAPID_KEY."""
MAX_HOST_NAME = 63
SERVER_FILE = "supervisor.json"
"""In the run directory: who serves there, and where it hears what commands have to say."""


class ConfigError(ValueError):
    """A variable that can't be understood, or two that contradict each other; the text names them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `period_s` seconds."""

    count: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Web:
    """Under which address people find the server. `public_url`: scheme and host, no path; empty: not told.

    `hosts` it answers to, `origins` whose pages may use it, `csrf_origins` whose forms it takes.
    """

    public_url: str = ""
    hosts: tuple[str, ...] = ("*",)
    origins: tuple[str, ...] = ()
    csrf_origins: tuple[str, ...] = ()
    hsts_s: int = 365 * 86_400
    redirect_to_https: bool = True

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Start:
    """What `manage.py prepare` does before a server starts: how long it waits for whom, the first administrator."""

    admin_username: str = ""
    admin_password: str = field(default="", repr=False)
    wait_s: float = 60.0
    migrate_wait_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do. `enabled=False` (LIMITS=off) lifts the rates and counts, never the sizes.

    `given`: the counts that somebody asked for; they hold in any case.
    """

    enabled: bool = True
    given: frozenset[str] = frozenset()
    frame_bytes: int = 64 * KIB
    body_bytes: int = 256 * KIB
    text_chars: int = 4_000
    unsent_bytes: int = MIB
    bad_frames: int = 10
    sessions_per_user: int = 10
    channels_per_session: int = 500
    seed_channels: int = 1_000
    connections_per_address: int = 100
    frames: Rate = Rate(200, 4)
    incoming_bytes: Rate = Rate(MIB, 4)
    refusals: Rate = Rate(200, 10)
    requests_per_address: Rate = Rate(400, 4)
    requests_per_user: Rate = Rate(200, 4)
    send: Rate = Rate(20, 10)
    operations: Rate = Rate(600, 60)
    lists: Rate = Rate(20, 2)
    join: Rate = Rate(300, 60)
    create_channel: Rate = Rate(20, 3600)
    changes: Rate = Rate(60, 60)
    memberships: Rate = Rate(60, 60)
    moderation: Rate = Rate(60, 60)
    bulk_delete: Rate = Rate(6, 60)
    rename: Rate = Rate(10, 3600)
    profile: Rate = Rate(30, 600)
    pictures: Rate = Rate(10, 600)
    files: Rate = Rate(60, 600)
    file_reads: Rate = Rate(600, 60)
    directory: Rate = Rate(60, 60)
    search: Rate = Rate(60, 60)
    hooks: Rate = Rate(10, 10)
    login: Rate = Rate(10, 60)
    register: Rate = Rate(60, 600)
    mail_to_address: Rate = Rate(3, 3600)
    mail_from_ip: Rate = Rate(10, 3600)
    server_invites: Rate = Rate(20, 3600)
    invite_looks: Rate = Rate(30, 600)
    new_account_s: float = 86_400.0
    new_account_links: int = 2
    edit_window_s: float = 0.0

    @property
    def max_sessions_per_user(self) -> int:
        return self.sessions_per_user if self._holds("sessions_per_user") else UNLIMITED

    @property
    def max_connections_per_address(self) -> int | None:
        """None: no bound."""
        return self.connections_per_address if self._holds("connections_per_address") else None

    def _holds(self, name: str) -> bool:
        return self.enabled or name in self.given


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
    hello_s: float = 2.0
    hold_gap_s: float = 0.05
    command_timeout_s: float = 5.0
    publish_timeout_s: float = 2.0
    quit_grace_s: float = 8.0
    keep_grace_s: float = 60.0
    recovery_keep_s: float = 120.0
    bus_lost_s: float = 30.0
    missing_s: float = 10.0
    """Workers without an authority for so long take no new clients: a change of holder takes half of it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The hub's bounds: how much of a channel stays in memory, how often heads are compared with the store.

    `recent_…`: the messages and bytes of one channel, and the bytes of all channels of one process. `opened_messages`:
    how many of them are read when a channel is opened; the others come live.
    `members_page`: members in one answer, of a join as of a list.
    `catch_up_messages`: what a client that lives by events alone is sent of what it missed, the newest.
    `sessions_interval_s`: how often live sessions are compared with their accounts.
    """

    recent_messages: int = 1_000
    recent_bytes: int = 512 * KIB
    recent_total_bytes: int = 64 * MIB
    opened_messages: int = 200
    join_messages: int = 25
    hold_gap_s: float = 0.05
    heads_interval_s: float = 2.0
    sessions_interval_s: float = 60.0
    idle_feed_s: float = 30.0
    sync_messages: int = 200
    catch_up_messages: int = 5_000
    sync_channel_bytes: int = 128 * KIB
    sync_total_bytes: int = 512 * KIB
    members_page: int = 200


@dataclass(frozen=True, slots=True)
class Database:
    """Threads that talk to the database, and how much may wait for them before `unavailable`.

    `pool`: PostgreSQL connections that REST's threads share. The loop's own threads have one each beside it.
    `rest_per_peer`: how many of REST's threads one user, or one address without a user, has at most.
    """

    pool: int = 12
    read_threads: int = 4
    read_queue: int = 2_000
    write_queue: int = 10_000
    batch_messages: int = 500
    rest_running: int = 32
    rest_per_peer: int = 4
    rest_waiting: int = 256
    timeout_s: float = 10.0

    @property
    def own_connections(self) -> int:
        """Those of the loop's threads: the readers' and the one writer's."""
        return self.read_threads + 1


@dataclass(frozen=True, slots=True)
class Retention:
    """How long messages are kept where their channel does not say otherwise (0: for ever); how often that is seen to.

    `interval_s` 0: only by hand.
    """

    days: int = 0
    messages: int = 0
    interval_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Files:
    """Files that people send: where their bytes are kept, and how large and how many they may be.

    `directory` None: `files` in the data directory. `is_shared`: all hosts mount it. With `s3_bucket` they are kept in
    an object storage, and what is being sent stays in the data directory meanwhile.
    """

    directory: Path | None = None
    is_shared: bool = False
    max_bytes: int = 25 * MIB
    quota_bytes: int = 1024 * MIB
    at_once: int = 3
    unsent_s: float = 86_400.0
    scan_command: str = ""
    s3_bucket: str = ""
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_access_key: str = field(default="", repr=False)
    s3_secret_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """Web push: the hosts of services (`push.example`, `*.push.example`, `push.example:8443`), whom they may ask.

    `contact` empty: the public address. `allows_private`: a service may have a private address (for tests).
    """

    hosts: tuple[str, ...] = (
        "fcm.googleapis.com",
        "*.push.services.mozilla.com",
        "*.notify.windows.com",
        "*.push.apple.com",
    )
    contact: str = ""
    allows_private: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """Outgoing e-mail. `url`: the mail server, as django-environ writes it; empty: no mail is sent.

    `sender`: what stands in From.
    """

    url: str = field(default="", repr=False)
    sender: str = "Reaktor <reaktor@localhost>"
    is_required: bool = False
    """Whether an account must have an address (EMAIL_REQUIRED)."""

    @property
    def is_possible(self) -> bool:
        return bool(self.url)


@dataclass(frozen=True, slots=True)
class RelayTls:
    """Files in PEM for TLS between hosts: the certificate of this one and its key, and who signs those of all."""

    cert_file: str
    key_file: str
    ca_file: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The supervisor's figures: what it listens on, how many workers, how long it waits for whom."""

    advertise: str = ""
    """Address and port where other hosts of the cluster bring requests; empty: nowhere."""
    relay_tls: RelayTls | None = None
    """None: what hosts relay to each other is not encrypted."""
    bind: str = "0.0.0.0"  # noqa: S104  a chat server is there to be reached; BIND narrows it
    port: int = 8000
    workers: int = 1
    is_port_given: bool = False
    """Whether somebody named it, or commands may look for the server that lives."""
    are_workers_given: bool = False
    """Whether somebody asked for that many, or it is what the machine suggests."""
    spare_workers: int = 1
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
    host_name: str = "localhost"
    """What this machine is called among those that work on its database."""
    is_host_named: bool = False
    """Whether somebody gave it that name, or it is the machine's own."""
    cluster_id: str = ""
    """The name that the database has for this cluster; empty for a process that has a bus of its own."""
    secret_key: str = field(default="", repr=False)
    jwt_secret: str = field(default="", repr=False)
    vapid_key: str = field(default="", repr=False)
    database_url: str = field(default="", repr=False)
    database_direct_url: str = field(default="", repr=False)
    """The same database past a pooler, for all but the workers; empty: the same way."""
    redis: RedisAt | None = None
    """The Redis that somebody named; None: an embedded one, or none."""
    sentry_dsn: str = field(default="", repr=False)
    metrics_allow: tuple[IpNetwork, ...] = ()
    log_format: str = "human"
    log_level: str = "INFO"
    access_log: bool = False
    debug: bool = False
    web: Web = field(default_factory=Web)
    start: Start = field(default_factory=Start)
    staff_totp: str = "optional"
    """Whether staff must have a second factor in the admin: `required` or `optional` (whoever has one shows it)."""
    account_deletion: str = "keep"
    """What becomes of the messages of a deleted account: `keep` (under a neutral name) or `remove`."""
    directory: str = "all"
    """Whom people find in the directory: `all`, or who shares a channel with them (`shared`)."""
    bots: str = "members"
    """Who makes bots: `members` (everybody) or `staff`."""
    registration: str = ""
    """Who may make an account: `open`, `invite`, `approval` or `closed`; empty: nobody has said, and it is closed."""
    member_invites: bool = False
    """Whether members may make server invites, or staff alone."""
    mail: Mail = field(default_factory=Mail)
    limits: Limits = field(default_factory=Limits)
    http: HttpTimings = field(default_factory=HttpTimings)
    native: NativeTimings = field(default_factory=NativeTimings)
    engineio: EngineIO = field(default_factory=EngineIO)
    membership: MembershipTimings = field(default_factory=MembershipTimings)
    delivery: Delivery = field(default_factory=Delivery)
    database: Database = field(default_factory=Database)
    retention: Retention = field(default_factory=Retention)
    files: Files = field(default_factory=Files)
    push: Push = field(default_factory=Push)
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def files_dir(self) -> Path:
        """Where files are kept, where that is a directory; and what is being sent, in any case."""
        return self.files.directory or self.data_dir / "files"

    @property
    def page_url(self) -> str:
        """Where the web client is, for links in mails; without PUBLIC_URL on this machine."""
        return self.web.public_url or f"http://localhost:{self.cluster.port}"

    @property
    def run_dirs(self) -> Path:
        """Where every server on this data directory has its run directory, by its port."""
        return self.data_dir / "run"

    @property
    def run_dir(self) -> Path:
        """Where the live cluster on this port keeps its sockets (0700)."""
        return self.run_dirs / str(self.cluster.port)

    @property
    def scope(self) -> str:
        """What every mailbox, group and key of this cluster begins with on a Redis, which it may share with others."""
        return f"reaktor:{self.cluster_id}:" if self.cluster_id else ""
