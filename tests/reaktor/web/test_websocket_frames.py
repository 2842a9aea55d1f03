"""Our frames against an independent implementation (websockets): it reads what we write."""

import pytest
from websockets import frames as theirs
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from reaktor.web.websocket_frames import NO_MASK, Opcode, binary_frame, encode_frame, text_frame

LENGTHS = [0, 1, 125, 126, 65_535, 65_536, 200_000]


def read_by_them(data: bytes, side: Side) -> list[theirs.Frame]:
    """The frames that their protocol machine of that side finds."""
    protocol = Protocol(side, state=OPEN, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return [event for event in protocol.events_received() if isinstance(event, theirs.Frame)]


@pytest.mark.parametrize("length", LENGTHS)
def test_each_length_uses_the_shortest_head(length: int) -> None:
    expected = 2 if length < 126 else 4 if length < 65_536 else 10
    payload = b"x" * length
    assert len(binary_frame(payload)) == expected + length
    assert binary_frame(payload) == encode_frame(Opcode.BINARY, payload)
    assert text_frame(payload) == encode_frame(Opcode.TEXT, payload)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask", [None, NO_MASK, b"\x01\x80\xff\x10"])
def test_they_read_our_frames(length: int, mask: bytes | None) -> None:
    payload = bytes(number % 251 for number in range(length))
    (read,) = read_by_them(encode_frame(Opcode.BINARY, payload, mask=mask), CLIENT if mask is None else SERVER)
    assert (read.opcode, bytes(read.data), read.fin) == (theirs.Opcode.BINARY, payload, True)
