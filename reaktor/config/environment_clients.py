"""The part of the environment that says what clients may do, and how long each thing may take them. Pure.

reaktor.config.environment reads the rest, and names this part's place in the documentation.
"""

from __future__ import annotations

from reaktor.config.model import EngineIO, HttpTimings, Limits, MembershipTimings, NativeTimings
from reaktor.config.variables import Reader


class ClientSections(Reader):
    """Limits, and the clocks of HTTP, of both protocols and of presence."""

    def limits(self) -> Limits:
        self.section = "Limits"
        default = Limits()
        return Limits(
            enabled=self.switch("LIMITS", True, "`off` lifts the rates and counts, for benchmarks. The sizes stay."),
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
            connections_per_address=self.number(
                "LIMIT_CONNECTIONS",
                default.connections_per_address,
                "How many connections one address may hold, to all workers together. An IPv6 /64 counts as one "
                "address.",
                unit="connections",
            ),
            send=self.rate("LIMIT_SEND", default.send, "How many messages one user may send."),
            operations=self.rate(
                "LIMIT_OPERATIONS",
                default.operations,
                "How many operations one live session may ask for; over REST, how many exports, read markers and "
                "deletions one user.",
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
                "TOKEN_EXPIRY_WARNING", default.expiry_warning_s, "How long before its token ends a session is warned."
            ),
            expiry_grace_s=self.seconds(
                "TOKEN_EXPIRY_GRACE", default.expiry_grace_s, "How long a session lives on after its token ended."
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
            allowed_origins=self.words(
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
                "If a worker hears nothing from the authority for so long, it ends its sessions. They come back.",
            ),
        )
        if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
            self.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
        return timings
