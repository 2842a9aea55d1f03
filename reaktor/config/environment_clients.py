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
            enabled=self.switch("LIMITS", True, "Off lifts the rates and counts (for benchmarks), never the sizes."),
            frame_bytes=self.number(
                "LIMIT_FRAME_BYTES", default.frame_bytes, "The largest frame of the native protocol.", unit="bytes"
            ),
            body_bytes=self.number("LIMIT_BODY_BYTES", default.body_bytes, "The largest request body.", unit="bytes"),
            text_chars=self.number("LIMIT_TEXT_CHARS", default.text_chars, "The longest message.", unit="characters"),
            unsent_bytes=self.number(
                "LIMIT_UNSENT_BYTES",
                default.unsent_bytes,
                "A session whose client leaves more than this unread is closed.",
                unit="bytes",
            ),
            sessions_per_user=self.number(
                "MAX_SESSIONS_PER_USER", default.sessions_per_user, "Live sessions of one user.", unit="sessions"
            ),
            channels_per_session=self.number(
                "LIMIT_CHANNELS_PER_SESSION", default.channels_per_session, "Channels in one session.", unit="channels"
            ),
            connections_per_address=self.number(
                "LIMIT_CONNECTIONS",
                default.connections_per_address,
                "Connections of one address (IPv6: one /64), to all workers together.",
                unit="connections",
            ),
            send=self.rate("LIMIT_SEND", default.send, "Messages of one user."),
            operations=self.rate(
                "LIMIT_OPERATIONS",
                default.operations,
                "Operations of one live session; over REST, exports and read markers of one user.",
            ),
            join=self.rate("LIMIT_JOIN", default.join, "Channels that one user enters, or looks at anew."),
            create_channel=self.rate("LIMIT_CREATE_CHANNEL", default.create_channel, "New channels of one user."),
            changes=self.rate(
                "LIMIT_CHANGES",
                default.changes,
                "Edits, deletions, reactions, reports and changes of channels by one user.",
            ),
            memberships=self.rate(
                "LIMIT_MEMBERSHIPS",
                default.memberships,
                "Memberships, invites, direct channels and personal blocks that one user changes.",
            ),
            moderation=self.rate(
                "LIMIT_MODERATION", default.moderation, "Sanctions, roles and decisions on reports by one user."
            ),
            bulk_delete=self.rate(
                "LIMIT_BULK_DELETE", default.bulk_delete, "Times that one user deletes many messages at once."
            ),
            rename=self.rate(
                "LIMIT_RENAME", default.rename, "New names of one user. Each ends all sessions, which come back."
            ),
            login=self.rate("LIMIT_LOGIN", default.login, "Log-ins with one name from one address."),
            register=self.rate("LIMIT_REGISTER", default.register, "New accounts from one address."),
            new_account_s=self.seconds("NEW_ACCOUNT", default.new_account_s, "How long an account counts as new."),
            new_account_links=self.number(
                "LIMIT_LINKS",
                default.new_account_links,
                "Links in one message of a new account.",
                unit="links",
                minimum=0,
            ),
        )

    def http(self) -> HttpTimings:
        self.section = "HTTP"
        default = HttpTimings()
        return HttpTimings(
            header_timeout_s=self.seconds(
                "HEADER_TIMEOUT", default.header_timeout_s, "How long a request's headers may take to arrive."
            ),
            body_timeout_s=self.seconds(
                "BODY_TIMEOUT", default.body_timeout_s, "How long a request's body may take to arrive."
            ),
            keep_alive_s=self.seconds(
                "KEEP_ALIVE", default.keep_alive_s, "How long a connection stays open between two requests."
            ),
        )

    def native(self) -> NativeTimings:
        self.section = "Native protocol"
        default = NativeTimings()
        return NativeTimings(
            hello_timeout_s=self.seconds("HELLO_TIMEOUT", default.hello_timeout_s, "From connecting to `hello`."),
            ping_interval_s=self.seconds(
                "PING_INTERVAL", default.ping_interval_s, "A session that is silent for so long is pinged."
            ),
            pong_timeout_s=self.seconds("PONG_TIMEOUT", default.pong_timeout_s, "How long it has to answer."),
            expiry_warning_s=self.seconds(
                "TOKEN_EXPIRY_WARNING", default.expiry_warning_s, "How long before its end a token is said to expire."
            ),
            expiry_grace_s=self.seconds(
                "TOKEN_EXPIRY_GRACE", default.expiry_grace_s, "How long a session lives on with an expired token."
            ),
        )

    def engineio(self) -> EngineIO:
        self.section = "Socket.IO"
        default = EngineIO()
        return EngineIO(
            ping_interval_s=self.seconds("ENGINEIO_PING_INTERVAL", default.ping_interval_s, "The heartbeat's period."),
            ping_timeout_s=self.seconds(
                "ENGINEIO_PING_TIMEOUT", default.ping_timeout_s, "How long an answer to it may take."
            ),
            upgrade_timeout_s=self.seconds(
                "ENGINEIO_UPGRADE_TIMEOUT",
                default.upgrade_timeout_s,
                "How long the change from polling to WebSocket may take.",
            ),
            connect_timeout_s=self.seconds(
                "ENGINEIO_CONNECT_TIMEOUT",
                default.connect_timeout_s,
                "How long a session may last that joined no namespace.",
            ),
            max_payload_bytes=self.number(
                "ENGINEIO_MAX_PAYLOAD", default.max_payload_bytes, "The largest body or frame.", unit="bytes"
            ),
            max_sessions=self.number(
                "ENGINEIO_MAX_SESSIONS", default.max_sessions, "Sessions of one worker.", unit="sessions"
            ),
            packet_rate=self.rate("ENGINEIO_PACKET_RATE", default.packet_rate, "Packets of one session."),
            allowed_origins=self.words(
                "SOCKETIO_ALLOWED_ORIGINS",
                default.allowed_origins,
                "Origins whose pages may connect; clients show a token, never a cookie.",
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
                "SOCKETIO_KEEP_GRACE", default.keep_grace_s, "How long its channels are kept for it."
            ),
            recovery_keep_s=self.seconds(
                "SOCKETIO_RECOVERY", default.recovery_keep_s, "The same with connection state recovery (4.x)."
            ),
            bus_lost_s=self.seconds(
                "BUS_LOST", default.bus_lost_s, "Sessions end when nothing has been heard of the others for so long."
            ),
        )
        if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
            self.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
        return timings
