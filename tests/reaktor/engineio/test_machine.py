"""The session machine, one rule at a time; the laws over all orders of inputs are in tests/property."""

from __future__ import annotations

from math import inf

import pytest

from reaktor.config.model import EngineIO, Rate
from reaktor.engineio.machine import Deliver, Ended, Poll, Signal, State
from reaktor.engineio.packets import CLOSE, NOOP, PING, V3, V4, CloseReason, Packet, PacketType, ReadyPacket
from tests.support.engineio_sessions import OPEN, PONG, PROBE, UPGRADE, message, polling, websocket

# Polling


def test_a_get_waits_until_there_is_something() -> None:
    session = polling()
    assert session.poll(1) == (Poll.WAIT, [])
    assert session.send(message("a")) == [Signal.WAKE]
    session.send(message("b"))
    assert session.take_poll() == [message("a"), message("b")]


def test_what_is_queued_before_a_get_wakes_nobody_and_is_fetched_at_once() -> None:
    session = polling()
    assert session.send(message("a")) == []
    assert session.poll(1) == (Poll.READY, [])
    assert session.take_poll() == [message("a")]


def test_the_get_after_the_one_that_took_it_says_that_it_came() -> None:
    """Not the one that takes it: its answer may be lost."""
    session = polling()
    session.send(message("a"))
    by = session.received_by
    session.poll(1)
    session.take_poll()
    assert session.received < by
    session.poll(2)
    assert session.received == by


def test_a_get_that_waits_takes_what_is_sent_now() -> None:
    session = polling()
    session.poll(1)
    session.send(message("a"))
    by = session.received_by
    session.take_poll()
    assert session.received < by
    session.poll(2)
    assert session.received == by


def test_any_frame_says_that_what_was_sent_before_it_came() -> None:
    session = websocket()
    session.send(message("a"))
    by = session.received_by
    session.take_frames()
    assert session.received < by
    session.on_frame(PONG, 1)
    assert session.received == by


def test_a_second_get_ends_the_session_and_the_first_is_told() -> None:
    session = polling()
    session.poll(1)
    assert session.poll(1) == (Poll.OVERLAP, [Signal.WAKE, Ended(CloseReason.OVERLAP)])
    assert session.take_poll() == [CLOSE]
    assert session.is_finished
    assert session.poll(2) == (Poll.UNKNOWN, [])


def test_a_dropped_get_ends_the_session_and_takes_nothing() -> None:
    session = polling()
    session.poll(1)
    session.send(message("a"))
    assert session.poll_lost() == [Ended(CloseReason.LOST)]
    assert session.is_finished


def test_a_second_post_beside_the_first_ends_the_session() -> None:
    session = polling()
    assert session.begin_post() == (True, [])
    assert session.begin_post() == (False, [Ended(CloseReason.OVERLAP)])
    assert session.end_post([message("late")], 1) == []


def test_posted_messages_are_delivered_in_order() -> None:
    session = polling()
    session.begin_post()
    assert session.end_post([message("a"), PONG, message(b"b")], 1) == [Deliver("a"), Deliver(b"b")]


def test_a_client_that_closes_gets_a_noop_for_its_waiting_get() -> None:
    session = polling()
    session.poll(1)
    session.begin_post()
    assert session.end_post([Packet(PacketType.CLOSE), message("late")], 1) == [Signal.WAKE, Ended(CloseReason.LOST)]
    assert session.take_poll() == [NOOP]
    assert session.is_finished


def test_open_upgrade_and_noop_from_a_client_are_ignored() -> None:
    session = polling()
    session.begin_post()
    assert session.end_post([OPEN, UPGRADE, NOOP], 1) == []
    assert session.state is State.POLLING


# Closing


def test_a_closed_session_lingers_until_its_farewell_is_fetched() -> None:
    session = polling()
    session.send(message("a"))
    assert session.close(100) == [Ended(CloseReason.SERVER)]
    assert not session.is_finished
    assert session.deadline == 130
    assert session.poll(110) == (Poll.READY, [])
    assert session.take_poll() == [message("a")]
    assert session.poll(111) == (Poll.READY, [])
    assert session.take_poll() == [CLOSE]
    assert session.is_finished
    assert session.poll(112) == (Poll.UNKNOWN, [])


def test_a_farewell_that_nobody_fetches_is_forgotten() -> None:
    session = polling()
    session.close(100)
    assert session.on_deadline(130) == []
    assert session.is_finished
    assert session.deadline == inf


def test_a_waiting_get_gets_the_farewell_at_once() -> None:
    session = polling()
    session.poll(1)
    assert session.close(2) == [Signal.WAKE, Ended(CloseReason.SERVER)]
    assert session.take_poll() == [CLOSE]
    assert session.is_finished


def test_a_close_never_comes_in_one_payload_with_what_was_sent_before_it() -> None:
    """Clients of 4.x act on the close first: what a `41` says would be lost, and they would come back."""
    session = polling()
    session.poll(1)
    session.send(message("1"))
    session.close(1)
    assert session.take_poll() == [message("1")]
    assert not session.is_finished
    assert session.poll(2) == (Poll.READY, [])
    assert session.take_poll() == [CLOSE]


def test_close_may_discard_what_is_queued() -> None:
    session = polling()
    session.send(message("a"))
    session.close(1, discard=True)
    session.poll(2)
    assert session.take_poll() == [CLOSE]


def test_a_websocket_is_flushed_before_it_closes() -> None:
    session = websocket()
    session.send(message("a"))
    assert session.close(1) == [Signal.WAKE, Ended(CloseReason.SERVER)]
    assert session.take_frames() == [message("a")]
    assert session.is_finished


def test_closed_is_final() -> None:
    session = websocket()
    session.end(CloseReason.LOST)
    assert session.end(CloseReason.MALFORMED) == session.close(1) == session.send(message("a")) == []
    assert session.on_frame(message("a"), 1) == session.on_deadline(10**6) == session.on_probe(UPGRADE, 1) == []
    assert not session.open_probe(1)
    assert session.begin_post() == (False, [])
    assert session.reason is CloseReason.LOST


# Heartbeat


def test_revision_4_pings_and_a_pong_in_time_keeps_it_alive() -> None:
    session = websocket()
    assert session.deadline == 25
    assert session.on_deadline(25) == [Signal.WAKE]
    assert session.take_frames() == [PING]
    assert session.deadline == 45
    session.on_frame(PONG, 30)
    assert session.deadline == 55


def test_revision_4_without_pong_is_gone_even_if_it_talks() -> None:
    session = websocket()
    session.on_deadline(25)
    session.on_frame(message("a"), 44)
    assert Ended(CloseReason.PING_TIMEOUT) in session.on_deadline(45)


def test_an_unasked_pong_moves_nothing() -> None:
    session = websocket()
    session.on_frame(PONG, 5)
    assert session.deadline == 25


def test_revision_3_answers_pings_with_their_data_and_hears_any_packet() -> None:
    session = websocket(V3)
    session.take_frames()
    session.on_frame(PROBE, 10)
    assert session.take_frames() == [Packet(PacketType.PONG, "probe")]
    session.on_frame(message("a"), 20)
    assert session.on_deadline(45) == []
    assert session.deadline == 65
    assert Ended(CloseReason.PING_TIMEOUT) in session.on_deadline(65)


@pytest.mark.parametrize(("revision", "packet"), [(V3, PONG), (V4, PING)])
def test_a_heartbeat_in_the_wrong_direction_ends_the_session(revision: int, packet: Packet) -> None:
    session = websocket(revision)
    assert Ended(CloseReason.MALFORMED) in session.on_frame(packet, 1)


def test_a_session_that_timed_out_does_not_linger() -> None:
    session = polling()
    session.on_deadline(25)
    assert session.on_deadline(45) == [Ended(CloseReason.PING_TIMEOUT)]
    assert session.is_finished


# Bounds


def test_a_queue_over_its_count_ends_the_session() -> None:
    session = polling(options=EngineIO(max_queued_packets=3))
    for _ in range(3):
        assert session.send(message("a")) == []
    assert session.send(message("a")) == [Ended(CloseReason.TOO_SLOW)]


def test_a_queue_over_its_bytes_ends_the_session() -> None:
    session = polling(options=EngineIO(max_queued_bytes=1000))
    session.send(ReadyPacket('2["' + "x" * 1000 + '"]'))
    assert session.send(message("a")) == [Ended(CloseReason.TOO_SLOW)]


def test_what_was_fetched_no_longer_counts() -> None:
    session = polling(options=EngineIO(max_queued_packets=3, max_queued_bytes=100))
    for second in range(10):
        session.send(message("x" * 90))
        session.poll(second)
        session.take_poll()
    assert session.state is State.POLLING


def test_more_packets_than_the_rate_end_the_session() -> None:
    session = websocket(options=EngineIO(packet_rate=Rate(100, 10)))
    for _ in range(100):
        assert session.on_frame(message("a"), 1) == [Deliver("a")]
    assert Ended(CloseReason.FLOOD) in session.on_frame(message("a"), 1)


def test_a_steady_client_within_the_rate_goes_on_for_ever() -> None:
    session = websocket(V3, options=EngineIO(packet_rate=Rate(100, 10)))
    for step in range(1000):
        assert session.on_frame(message("a"), step * 0.1) == [Deliver("a")]


# Volatile


def test_writable_means_it_leaves_at_once() -> None:
    session = polling()
    assert not session.is_writable
    session.poll(1)
    assert session.is_writable
    session.send(message("a"))
    assert not session.is_writable
    assert websocket().is_writable
    gone = websocket()
    gone.end(CloseReason.LOST)
    assert not gone.is_writable
