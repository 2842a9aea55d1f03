"""Our frames against an independent implementation (websockets), in both directions; and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as theirs
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol, Side

from reaktor.web.websocket_frames import (
    NO_MASK,
    Frame,
    FrameError,
    Opcode,
    binary_frame,
    encode_frame,
    frames_in,
    text_frame,
)

masks = st.binary(min_size=4, max_size=4)
data_frames = st.tuples(
    st.sampled_from([Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY]), st.booleans(), st.binary(max_size=300)
)
control_frames = st.tuples(
    st.sampled_from([Opcode.CLOSE, Opcode.PING, Opcode.PONG]), st.just(True), st.binary(max_size=125)
)
some_frames = st.lists(data_frames | control_frames, max_size=6)
LENGTHS = [0, 1, 125, 126, 65_535, 65_536, 200_000]


def encoded(sent: list[tuple[Opcode, bool, bytes]], mask: bytes | None) -> bytes:
    return b"".join(encode_frame(opcode, payload, is_final=final, mask=mask) for opcode, final, payload in sent)


def as_sent(found: list[Frame]) -> list[tuple[Opcode, bool, bytes]]:
    return [(each.opcode, each.is_final, each.payload) for each in found]


def read_by_them(data: bytes, side: Side) -> list[theirs.Frame]:
    """The frames that their protocol machine of that side finds."""
    protocol = Protocol(side, state=OPEN, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return [event for event in protocol.events_received() if isinstance(event, theirs.Frame)]


@given(some_frames, st.none() | masks)
def test_what_is_encoded_is_decoded(sent: list[tuple[Opcode, bool, bytes]], mask: bytes | None) -> None:
    assert as_sent(list(frames_in(encoded(sent, mask), are_masked=mask is not None))) == sent


@given(some_frames, st.none() | masks, st.data())
def test_a_buffer_cut_anywhere_gives_the_whole_frames_first_and_the_others_when_they_are_there(
    sent: list[tuple[Opcode, bool, bytes]], mask: bytes | None, data: st.DataObject
) -> None:
    whole = encoded(sent, mask)
    cut = data.draw(st.integers(0, len(whole)))
    buffer, found = bytearray(whole[:cut]), []
    for more in (whole[cut:], b""):
        part = list(frames_in(buffer, are_masked=mask is not None))
        found += part
        del buffer[: part[-1].end if part else 0]
        buffer += more
    assert as_sent(found) == sent
    assert not buffer


@pytest.mark.parametrize("length", LENGTHS)
def test_each_length_uses_the_shortest_head(length: int) -> None:
    expected = 2 if length < 126 else 4 if length < 65_536 else 10
    payload = b"x" * length
    assert len(binary_frame(payload)) == expected + length
    assert binary_frame(payload) == encode_frame(Opcode.BINARY, payload)
    assert text_frame(payload) == encode_frame(Opcode.TEXT, payload)
    assert as_sent(list(frames_in(binary_frame(payload)))) == [(Opcode.BINARY, True, payload)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask", [None, NO_MASK, b"\x01\x80\xff\x10"])
def test_they_read_our_frames_and_we_read_theirs(length: int, mask: bytes | None) -> None:
    payload = bytes(number % 251 for number in range(length))
    (read,) = read_by_them(encode_frame(Opcode.BINARY, payload, mask=mask), CLIENT if mask is None else SERVER)
    assert (read.opcode, bytes(read.data), read.fin) == (theirs.Opcode.BINARY, payload, True)
    written = theirs.Frame(theirs.Opcode.TEXT, payload).serialize(mask=mask is not None)
    assert as_sent(list(frames_in(written, are_masked=mask is not None))) == [(Opcode.TEXT, True, payload)]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"\xc1\x00", "extension"),
        (b"\x83\x00", "extension"),
        (b"\x8f\x00", "extension"),
        (b"\x81\x80", "is masked"),
        (b"\x09\x00", "control"),
        (b"\x88\x7e", "control"),
        (b"\x81\x7e\x00\x7d", "longer than necessary"),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "longer than necessary"),
        (b"\x81\x7e\x03\xe9", "too large"),
        (b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "too large"),
    ],
)
def test_a_head_that_is_not_allowed_is_refused_before_its_payload_comes(head: bytes, why: str) -> None:
    found = frames_in(text_frame(b"before") + head, max_payload_bytes=1000)
    assert next(found).payload == b"before"
    with pytest.raises(FrameError, match=why):
        next(found)


def test_a_client_must_mask() -> None:
    with pytest.raises(FrameError, match="is not masked"):
        list(frames_in(text_frame(b"x"), are_masked=True))


@given(st.binary(), st.booleans())
def test_junk_raises_nothing_but_the_modules_own_error(junk: bytes, are_masked: bool) -> None:
    with contextlib.suppress(FrameError):
        found = list(frames_in(junk, are_masked=are_masked, max_payload_bytes=1000))
        assert all(each.end <= len(junk) for each in found)
