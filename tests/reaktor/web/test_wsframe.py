"""Frames of ours are the frames that an independent implementation (websockets) reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from reaktor.web.wsframe import binary_frame, close_frame, text_frame


def read(data: bytes):
    """The frames that a client's protocol machine finds in the bytes."""
    protocol = Protocol(CLIENT, state=OPEN, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return protocol.events_received()


@given(st.binary(max_size=300), st.text(max_size=300))
def test_a_client_reads_back_what_was_framed(data, text):
    frames = read(binary_frame(data) + text_frame(text.encode()))
    assert [(f.opcode, bytes(f.data), f.fin) for f in frames] == [
        (Opcode.BINARY, data, True),
        (Opcode.TEXT, text.encode(), True),
    ]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_each_length_uses_the_shortest_header(length):
    frame = binary_frame(b"x" * length)
    expected = 2 if length < 126 else 4 if length < 65_536 else 10
    assert len(frame) == expected + length
    assert bytes(read(frame)[0].data) == b"x" * length


@given(st.sampled_from([1000, 1009, 3000, 4001, 4999]), st.text(max_size=200))
def test_a_close_frame_carries_its_code_and_a_reason_cut_between_characters(code, reason):
    frame = read(close_frame(code, reason))[0]
    closed = Close.parse(frame.data)
    assert frame.opcode is Opcode.CLOSE
    assert closed.code == code
    assert reason.startswith(closed.reason)
    assert len(frame.data) <= 125
