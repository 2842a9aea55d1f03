"""The variables of connections and of the sessions on them: clocks of each protocol, and of who was lost. Pure."""

from __future__ import annotations

from reaktor.config.model import EngineIO, HttpTimings, MembershipTimings, NativeTimings
from reaktor.config.variables import Reader


def read_http(reader: Reader) -> HttpTimings:
    reader.section = "HTTP"
    default = HttpTimings()
    return HttpTimings(
        header_timeout_s=reader.seconds(
            "HEADER_TIMEOUT", default.header_timeout_s, "How long the headers of a request may take to arrive."
        ),
        body_timeout_s=reader.seconds(
            "BODY_TIMEOUT", default.body_timeout_s, "How long the body of a request may take to arrive."
        ),
        keep_alive_s=reader.seconds(
            "KEEP_ALIVE", default.keep_alive_s, "How long a connection stays open between two requests."
        ),
    )


def read_native(reader: Reader) -> NativeTimings:
    reader.section = "Native protocol"
    default = NativeTimings()
    return NativeTimings(
        hello_timeout_s=reader.seconds(
            "HELLO_TIMEOUT", default.hello_timeout_s, "How long a new connection may take to say `hello`."
        ),
        ping_interval_s=reader.seconds(
            "PING_INTERVAL", default.ping_interval_s, "A session that says nothing for so long is pinged."
        ),
        pong_timeout_s=reader.seconds(
            "PONG_TIMEOUT", default.pong_timeout_s, "How long it may take to answer the ping."
        ),
        expiry_warning_s=reader.seconds(
            "TOKEN_EXPIRY_WARNING",
            default.expiry_warning_s,
            "How long before its token ends a session is warned, over Socket.IO too.",
        ),
        expiry_grace_s=reader.seconds(
            "TOKEN_EXPIRY_GRACE",
            default.expiry_grace_s,
            "How long a native session lives on after its token ended.",
        ),
    )


def read_engineio(reader: Reader) -> EngineIO:
    reader.section = "Socket.IO"
    default = EngineIO()
    return EngineIO(
        ping_interval_s=reader.seconds(
            "ENGINEIO_PING_INTERVAL", default.ping_interval_s, "How often the heartbeat beats."
        ),
        ping_timeout_s=reader.seconds(
            "ENGINEIO_PING_TIMEOUT", default.ping_timeout_s, "How long the answer to a heartbeat may take."
        ),
        upgrade_timeout_s=reader.seconds(
            "ENGINEIO_UPGRADE_TIMEOUT",
            default.upgrade_timeout_s,
            "How long the change from polling to WebSocket may take.",
        ),
        connect_timeout_s=reader.seconds(
            "ENGINEIO_CONNECT_TIMEOUT",
            default.connect_timeout_s,
            "How long a session may last that has joined no namespace.",
        ),
        max_payload_bytes=reader.number(
            "ENGINEIO_MAX_PAYLOAD",
            default.max_payload_bytes,
            "The largest body of a POST, and the largest frame.",
            unit="bytes",
        ),
        max_sessions=reader.number(
            "ENGINEIO_MAX_SESSIONS", default.max_sessions, "How many sessions one worker takes.", unit="sessions"
        ),
        packet_rate=reader.rate("ENGINEIO_PACKET_RATE", default.packet_rate, "How many packets one session may send."),
        allowed_origins=reader.origins(
            "SOCKETIO_ALLOWED_ORIGINS",
            default.allowed_origins,
            "Origins whose pages may connect. All may by default, because clients show a token and never a cookie.",
        ),
    )


def read_membership(reader: Reader) -> MembershipTimings:
    reader.section = "Presence"
    default = MembershipTimings()
    timings = MembershipTimings(
        quit_grace_s=reader.seconds(
            "SOCKETIO_QUIT_GRACE",
            default.quit_grace_s,
            "How long a Socket.IO client may be away before the others are told that it left.",
        ),
        keep_grace_s=reader.seconds(
            "SOCKETIO_KEEP_GRACE", default.keep_grace_s, "How long the channels of such a client are kept for it."
        ),
        recovery_keep_s=reader.seconds(
            "SOCKETIO_RECOVERY",
            default.recovery_keep_s,
            "The same for clients of Socket.IO 3 and 4, which can recover their state.",
        ),
        bus_lost_s=reader.seconds(
            "BUS_LOST",
            default.bus_lost_s,
            "If a worker hears no authority over the bus for so long, it ends its sessions. They come back.",
        ),
    )
    if not timings.quit_grace_s <= timings.keep_grace_s <= timings.recovery_keep_s:
        reader.problems.append("SOCKETIO_QUIT_GRACE <= SOCKETIO_KEEP_GRACE <= SOCKETIO_RECOVERY does not hold")
    return timings
