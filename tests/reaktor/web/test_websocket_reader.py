"""What a WebSocket's bytes say, however they are cut; and what is refused, with which code and how early.

The kinds of cases are those of the Autobahn test suite, which needs Python 2.7: data, pings, reserved bits, opcodes,
fragments, UTF-8, closes, limits. `websockets` is the second implementation.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as theirs

from reaktor.web.close_codes import INVALID_PAYLOAD, NO_CODE, PROTOCOL_ERROR, TOO_LARGE
from reaktor.web.websocket_frames import NO_MASK, Opcode, encode_frame, text_frame
from reaktor.web.websocket_reader import PART, Close, FrameError, FrameReader, Ping, Pong, Received

MASK = b"\x01\x80\xff\x10"
masks = st.binary(min_size=4, max_size=4)


@dataclass(frozen=True)
class Sent:
    """Frames of one message or control frame, and what they say."""

    frames: list[tuple[Opcode, bytes, bool]]
    says: Received


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    """A text or a binary message in parts, which are cut in the middle of characters too."""
    said = draw(st.text("aé€𐀀", max_size=40) | st.binary(max_size=300))
    opcode, payload = (Opcode.TEXT, said.encode()) if isinstance(said, str) else (Opcode.BINARY, said)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    opcodes = [opcode, *[Opcode.CONTINUATION] * len(cuts)]
    finals = [*[False] * len(cuts), True]
    return Sent(list(zip(opcodes, parts, finals, strict=True)), said)


@st.composite
def controls(draw: st.DrawFn) -> Sent:
    payload = draw(st.binary(max_size=125))
    opcode, kind = draw(st.sampled_from([(Opcode.PING, Ping), (Opcode.PONG, Pong)]))
    return Sent([(opcode, payload, True)], kind(payload))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[tuple[Opcode, bytes, bool]], list[Received]]:
    """Messages one after another, control frames between their parts as well; and what a reader should find."""
    frames: list[tuple[Opcode, bytes, bool]] = []
    says: list[Received] = []
    for sent in draw(st.lists(messages() | controls(), max_size=5)):
        *parts, last = sent.frames
        for part in parts:
            frames.append(part)
            for between in draw(st.lists(controls(), max_size=1)):
                frames += between.frames
                says.append(between.says)
        frames.append(last)
        says.append(sent.says)
    return frames, says


def encoded(frames: list[tuple[Opcode, bytes, bool]], mask: bytes | None) -> bytes:
    return b"".join(encode_frame(opcode, payload, is_final=final, mask=mask) for opcode, payload, final in frames)


def taken(reader: FrameReader, data: bytes = b"", into: list[Received] | None = None) -> list[Received]:
    """One take() after another, parts included."""
    reader.feed(data)
    found = [] if into is None else into
    while (each := reader.take()) is not None:
        found.append(each)
    return found


def refused(data: bytes, *, max_bytes: int = 1000) -> tuple[int, list[Received]]:
    """The close code for what a client says, and what was found before."""
    found: list[Received] = []
    with pytest.raises(FrameError) as raised:
        taken(FrameReader(are_masked=True, max_bytes=max_bytes), data, found)
    return raised.value.code, found


def accepted(data: bytes) -> list[Received]:
    return taken(FrameReader(are_masked=True, max_bytes=1000), data)


def frame(first: int, payload: bytes = b"") -> bytes:
    """A client's frame with any first byte."""
    whole = encode_frame(Opcode.TEXT, payload, mask=MASK)
    return bytes([first]) + whole[1:]


@given(conversations(), st.none() | masks, st.data())
def test_however_the_bytes_are_cut_they_say_the_same(
    conversation: tuple[list[tuple[Opcode, bytes, bool]], list[Received]], mask: bytes | None, data: st.DataObject
) -> None:
    frames, says = conversation
    whole = encoded(frames, mask)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader, found = FrameReader(are_masked=mask is not None), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += taken(reader, whole[start:end])
    assert len(found) == len(frames)
    assert [each for each in found if each is not PART] == says
    assert list(FrameReader(are_masked=mask is not None).read(whole)) == says


@given(conversations())
def test_a_reader_may_be_fed_before_everything_was_taken(
    conversation: tuple[list[tuple[Opcode, bytes, bool]], list[Received]],
) -> None:
    """While reading rests, frames stay inside, and more may come on top of them."""
    frames, says = conversation
    reader = FrameReader(are_masked=True)
    for each in frames:
        reader.feed(encoded([each], MASK))
    assert [each for each in taken(reader) if each is not PART] == says


def may_become_utf8(payload: bytes) -> bool:
    """Whether anything behind it could make it UTF-8: at most three bytes complete what was begun."""
    for end in (b"", *(each * count for each in (b"\x80", b"\xbf") for count in (1, 2, 3))):
        with contextlib.suppress(UnicodeDecodeError):
            (payload + end).decode()
            return True
    return False


utf8_like = st.lists(
    st.sampled_from([bytes([each]) for each in b"a\x80\x8f\x90\x9f\xa0\xbf\xc3\xe0\xe2\xed\xf0\xf4\xf5"])
)


@given(utf8_like.map(b"".join), st.booleans())
def test_bad_utf8_is_refused_with_the_byte_that_makes_it_bad(payload: bytes, in_parts: bool) -> None:
    """Byte by byte within one frame, as well as over frames of one byte each."""
    if in_parts:
        first = frame(0x01)
        pieces = [frame(0x00, bytes([each])) for each in payload]
    else:
        # The frame promises one byte more, so that it never ends.
        whole = frame(0x81, payload + b"x")
        first, pieces = whole[:6], [whole[at : at + 1] for at in range(6, 6 + len(payload))]
    reader, good = FrameReader(are_masked=True), 0
    taken(reader, first)
    with contextlib.suppress(FrameError):
        for piece in pieces:
            taken(reader, piece)
            good += 1
    assert may_become_utf8(payload[:good])
    assert good == len(payload) or not may_become_utf8(payload[: good + 1])


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("is_masked", [False, True])
def test_messages_of_each_length_are_read_as_the_other_implementation_writes_them(length: int, is_masked: bool) -> None:
    for opcode, said in ((theirs.Opcode.TEXT, "x" * length), (theirs.Opcode.BINARY, b"\xfe" * length)):
        payload = said.encode() if isinstance(said, str) else said
        written = theirs.Frame(opcode, payload).serialize(mask=is_masked)
        assert taken(FrameReader(are_masked=is_masked), written) == [said]
        assert [*taken(FrameReader(are_masked=is_masked), written[:7]), "cut"] == ["cut"] or length < 2


def test_pings_and_pongs_carry_up_to_125_bytes() -> None:
    for payload in (b"", b"\x00\xff\xfe", b"\xfe" * 125):
        assert accepted(frame(0x89, payload) + frame(0x8A, payload)) == [Ping(payload), Pong(payload)]
    assert refused(frame(0x89, b"x" * 126)) == (PROTOCOL_ERROR, [])


@pytest.mark.parametrize("first", [0x91, 0xA1, 0xB1, 0xC1, 0xD1, 0xE1, 0xF1, 0x99, 0xF9, 0xF8])
def test_reserved_bits_are_refused_after_what_came_before_them(first: int) -> None:
    before = frame(0x81, b"before")
    assert refused(before + frame(first, b"x") + frame(0x89)) == (PROTOCOL_ERROR, ["before"])


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_refused(opcode: int) -> None:
    assert refused(frame(0x81, b"before") + frame(0x80 | opcode, b"x")) == (PROTOCOL_ERROR, ["before"])


def test_fragments_make_one_message_with_control_frames_between_them() -> None:
    assert accepted(frame(0x01, b"be") + frame(0x89, b"p") + frame(0x00, b"gu") + frame(0x8A) + frame(0x80, b"n")) == [
        PART,
        Ping(b"p"),
        PART,
        Pong(b""),
        "begun",
    ]
    assert accepted(frame(0x02) + frame(0x00) + frame(0x80)) == [PART, PART, b""]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (frame(0x80, b"x"), 0),  # continues nothing
        (frame(0x00, b"x"), 0),
        (frame(0x81, b"whole") + frame(0x80, b"x"), 1),
        (frame(0x01, b"be") + frame(0x81, b"gun"), 1),  # a message inside of a message
        (frame(0x01, b"be") + frame(0x02, b"gun"), 1),
        (frame(0x09, b"p") + frame(0x80, b"ing"), 0),  # a control frame in parts
        (frame(0x0A), 0),
        (frame(0x08), 0),
    ],
)
def test_fragments_out_of_order_are_refused(sent: bytes, found: int) -> None:
    code, before = refused(sent)
    assert (code, len(before)) == (PROTOCOL_ERROR, found)


GOOD = "κόσμε ퟿  𐀀 \U0010ffff ￾￿ \x00 \ufdd0".encode()
BAD = [
    b"\x80",  # a continuation byte alone
    b"\xbf\x80",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # a surrogate
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xc0\xaf",  # longer than necessary
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xfe",
    b"\xff",
    b"\xc3 ",  # a sequence that is broken off
    b"\xe2\x82 ",
    b"\xf0\x9f\x98 ",
]


@pytest.mark.parametrize("at", range(len(GOOD)))
def test_characters_may_be_cut_between_fragments(at: int) -> None:
    assert accepted(frame(0x01, GOOD[:at]) + frame(0x80, GOOD[at:])) == [PART, GOOD.decode()]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_bad_utf8_is_refused_in_one_frame_in_fragments_and_at_the_end_of_either(bad: bytes) -> None:
    assert refused(frame(0x81, b"fine") + frame(0x81, bad)) == (INVALID_PAYLOAD, ["fine"])
    assert refused(frame(0x01, b"fine") + frame(0x00, bad)) == (INVALID_PAYLOAD, [PART])
    assert refused(frame(0x01, bad[:1]) + frame(0x80, bad[1:]))[0] == INVALID_PAYLOAD
    assert accepted(frame(0x82, bad)) == [bad]


@pytest.mark.parametrize("cut", [b"\xce", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_a_text_that_ends_inside_a_character_is_refused_at_its_end(cut: bytes) -> None:
    assert refused(frame(0x81, cut)) == (INVALID_PAYLOAD, [])
    assert accepted(frame(0x01, cut)) == [PART]
    assert refused(frame(0x01, cut) + frame(0x80)) == (INVALID_PAYLOAD, [PART])


def test_bad_utf8_inside_of_a_frame_is_refused_before_its_end_has_come() -> None:
    """Autobahn calls an answer that waits for the frame's end non-strict: it lets a client send on for nothing."""
    sent = frame(0x81, b"\xce\xba\xf4\x90\x80\x80edited")
    assert accepted(sent[:9]) == []
    assert refused(sent[:10]) == (INVALID_PAYLOAD, [])


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4999])
def test_close_codes_that_may_be_sent(code: int) -> None:
    assert accepted(frame(0x88, code.to_bytes(2, "big") + b"why")) == [Close(code, "why")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_close_codes_that_may_not(code: int) -> None:
    assert refused(frame(0x88, code.to_bytes(2, "big"))) == (PROTOCOL_ERROR, [])


def test_a_close_has_no_code_or_a_whole_one_and_a_reason_in_utf8() -> None:
    assert accepted(frame(0x88)) == [Close(NO_CODE, "")]
    assert accepted(frame(0x88, b"\x03\xe8" + b"x" * 123)) == [Close(1000, "x" * 123)]
    assert refused(frame(0x88, b"\x03"))[0] == PROTOCOL_ERROR
    assert refused(frame(0x88, b"\x03\xe8" + b"x" * 124))[0] == PROTOCOL_ERROR
    assert refused(frame(0x88, b"\x03\xe8\xce"))[0] == INVALID_PAYLOAD


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"\x81\xfe\x03\xe9", TOO_LARGE),
        (b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00", TOO_LARGE),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", PROTOCOL_ERROR),
        (b"\x81\xfe\x00\x7d", PROTOCOL_ERROR),  # longer than necessary
        (b"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", PROTOCOL_ERROR),
        (b"\x81\x00", PROTOCOL_ERROR),  # not masked
        (b"\x88\xfe", PROTOCOL_ERROR),
    ],
)
def test_a_head_that_is_not_allowed_is_refused_before_its_payload_comes(head: bytes, code: int) -> None:
    assert refused(frame(0x81, b"before") + head) == (code, ["before"])


def test_a_server_must_not_mask() -> None:
    with pytest.raises(FrameError, match="is masked"):
        taken(FrameReader(), frame(0x81, b"x"))


def test_the_parts_of_a_message_have_its_limit_together() -> None:
    parts = frame(0x01, b"x" * 600) + frame(0x89, b"p" * 125)
    assert accepted(parts + frame(0x80, b"x" * 400))[-1] == "x" * 1000
    code, before = refused(parts + frame(0x80, b"x" * 401)[:4])
    assert (code, before) == (TOO_LARGE, [PART, Ping(b"p" * 125)])
    assert accepted(frame(0x81, b"x" * 1000) * 3) == ["x" * 1000] * 3


def test_thousands_of_parts_take_no_more_memory_than_their_bytes() -> None:
    """Empty ones count for no limit of size, and a client may send them for ever."""
    reader = FrameReader(are_masked=True, max_bytes=1000)
    taken(reader, frame(0x01, b"x") + frame(0x00) * 10_000 + frame(0x00, b"x") * 900)
    assert reader._begun is not None
    assert sys.getsizeof(reader._begun.payload) < 4_000


def test_an_idle_reader_keeps_nothing_of_what_it_read() -> None:
    reader = FrameReader(are_masked=True)
    assert taken(reader, frame(0x82, b"x" * 60_000)) == [b"x" * 60_000]
    assert reader._data == b""


@given(st.binary(), st.booleans())
def test_junk_raises_nothing_but_the_modules_own_error(junk: bytes, are_masked: bool) -> None:
    with contextlib.suppress(FrameError):
        taken(FrameReader(are_masked=are_masked, max_bytes=1000), junk)


def test_a_mask_of_zeros_is_a_mask() -> None:
    assert accepted(encode_frame(Opcode.TEXT, b"plain", mask=NO_MASK)) == ["plain"]
    assert taken(FrameReader(), text_frame(b"plain")) == ["plain"]
