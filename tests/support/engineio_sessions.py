"""Engine.IO sessions in the states that tests of the session machine begin with; pure, at time 0."""

from __future__ import annotations

from reaktor.config.model import EngineIO
from reaktor.engineio.machine import Poll, SessionMachine, Signal
from reaktor.engineio.packets import V4, Packet, PacketType

OPTIONS = EngineIO(ping_interval_s=25, ping_timeout_s=20, upgrade_timeout_s=10, linger_s=30)
OPEN = Packet(PacketType.OPEN, "{}")
PROBE = Packet(PacketType.PING, "probe")
UPGRADE = Packet(PacketType.UPGRADE)
PONG = Packet(PacketType.PONG)


def message(data: str | bytes) -> Packet:
    return Packet(PacketType.MESSAGE, data)


def polling(revision: int = V4, options: EngineIO = OPTIONS) -> SessionMachine:
    """A session whose handshake has been answered."""
    session = SessionMachine(options, revision, OPEN, websocket=False, now=0)
    assert session.poll(0) == (Poll.READY, [])
    assert session.take_poll() == [OPEN]
    return session


def websocket(revision: int = V4, options: EngineIO = OPTIONS) -> SessionMachine:
    session = SessionMachine(options, revision, OPEN, websocket=True, now=0)
    assert session.take_frames() == [OPEN]
    return session


def probing(revision: int = V4) -> SessionMachine:
    session = polling(revision)
    assert session.open_probe(0)
    assert session.on_probe(PROBE, 0) == [Signal.PROBE_PONG]
    return session
