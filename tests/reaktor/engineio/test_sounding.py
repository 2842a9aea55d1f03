"""Soundings: what is proven to have come is never more than what was sent before an answered ping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reaktor.engineio.sounding import EVERY_S, MAX_UNANSWERED, Sounding
from reaktor.web.websocket_reader import FrameReader, Ping


def payload_of(frame: bytes) -> bytes:
    [ping] = FrameReader().read(frame)
    assert isinstance(ping, Ping)
    return ping.payload


@given(st.lists(st.tuples(st.sampled_from(["send", "answer", "junk"]), st.floats(0, 3), st.integers(0, 200))))
def test_only_an_answer_proves_what_was_sent_before_its_ping(steps: list[tuple[str, float, int]]) -> None:
    now, sounding = 100.0, Sounding(100.0)
    asked: list[tuple[bytes, float]] = []
    proven, last = now, -EVERY_S
    for step, later, index in steps:
        now += later
        if step == "send":
            frame = sounding.ping(now)
            assert (frame is not None) is (now - last >= EVERY_S and len(asked) < MAX_UNANSWERED)
            if frame is not None:
                asked.append((payload_of(frame), now))
                last = now
        elif step == "answer" and asked:
            # Each answer is for those before it, too: whoever answers need not answer each (RFC 6455, 5.5.3).
            payload, proven = asked[index % len(asked)]
            asked = asked[index % len(asked) + 1 :]
            sounding.heard(payload)
        else:
            sounding.heard(b"junk")
        assert sounding.proven_at == proven
        assert sounding.is_late(now, 2.0) is (bool(asked) and now - asked[0][1] > 2.0)


def test_a_way_that_is_silent_for_long_is_asked_no_more() -> None:
    sounding = Sounding(0.0)
    frames = [sounding.ping(float(second)) for second in range(MAX_UNANSWERED + 5)]
    assert [frame is not None for frame in frames] == [True] * MAX_UNANSWERED + [False] * 5
