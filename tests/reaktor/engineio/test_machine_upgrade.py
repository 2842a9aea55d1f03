"""The session machine while a WebSocket takes over from polling."""

from __future__ import annotations

import pytest

from reaktor.engineio.machine import Deliver, Ended, Poll, Signal, State
from reaktor.engineio.packets import NOOP, CloseReason, Packet, PacketType
from tests.support.engineio_sessions import PROBE, UPGRADE, message, polling, probing


def test_the_probe_frees_a_waiting_get_with_a_noop() -> None:
    session = polling()
    session.poll(1)
    assert session.open_probe(1)
    assert session.on_probe(PROBE, 1) == [Signal.PROBE_PONG, Signal.WAKE]
    assert session.take_poll() == [NOOP]


def test_a_get_during_the_upgrade_is_answered_within_100_ms() -> None:
    session = probing()
    assert session.poll(1) == (Poll.WAIT, [])
    assert session.deadline == pytest.approx(1.1)
    assert session.on_deadline(1.1) == [Signal.WAKE]
    assert session.take_poll() == [NOOP]


def test_both_transports_live_during_the_upgrade() -> None:
    session = probing()
    session.begin_post()
    assert session.end_post([message("q")], 1) == [Deliver("q")]
    session.poll(1)
    assert session.send(message("a")) == [Signal.WAKE]
    assert session.take_poll() == [message("a")]


def test_after_the_upgrade_the_websocket_has_what_was_queued_and_a_poll_only_a_noop() -> None:
    session = probing()
    session.poll(1)
    session.send(message("a"))
    assert session.on_probe(UPGRADE, 1) == [Signal.UPGRADED, Signal.WAKE]
    assert session.take_poll() == [NOOP]
    assert session.take_frames() == [message("a")]
    assert session.poll(2) == (Poll.REFUSED, [])
    assert session.begin_post() == (False, [])
    assert session.on_frame(message("b"), 2) == [Deliver("b")]


def test_anything_but_probe_and_upgrade_ends_the_probing_socket_alone() -> None:
    for packets in (
        [UPGRADE],
        [message("a")],
        [None],
        [PROBE, PROBE],
        [PROBE, message("a")],
        [Packet(PacketType.PING)],
    ):
        session = polling()
        session.open_probe(1)
        actions = [action for packet in packets for action in session.on_probe(packet, 1)]
        assert actions[-1] is Signal.DROP_PROBE
        assert session.state is State.POLLING
        assert session.open_probe(2)


def test_an_upgrade_that_takes_too_long_falls_back_to_polling() -> None:
    session = polling()
    session.open_probe(1)
    assert session.on_deadline(11) == [Signal.DROP_PROBE]
    assert session.state is State.POLLING
    session.send(message("a"))
    assert session.poll(12) == (Poll.READY, [])


def test_only_one_socket_probes_and_none_after_the_upgrade() -> None:
    session = probing()
    assert not session.open_probe(1)
    session.on_probe(UPGRADE, 1)
    assert not session.open_probe(2)


def test_the_end_of_a_session_drops_its_probing_socket() -> None:
    session = probing()
    assert session.end(CloseReason.MALFORMED) == [Signal.DROP_PROBE, Ended(CloseReason.MALFORMED)]
