"""Hostile frames: parse() answers anything with a Request or a BadFrameError; and it accepts what the document says."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.events import Event, EventType
from chat.transports.native import protocol
from chat.transports.native.asyncapi import document, request_schema
from chat.transports.native.operations import OPERATIONS, Operation
from chat.transports.native.protocol import BadFrameError, Request
from reaktor.errors import Bye, CloseCode, ErrorCode, InvalidError
from reaktor.numbers import MAX_INTEGER
from reaktor.web.websocket_reader import FrameReader

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["general", "__proto__", "constructor", "\ud800", "\x00", "online", "public", "1", ""]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
VALIDATORS = {name: jsonschema.Draft202012Validator(request_schema(each)) for name, each in OPERATIONS.items()}


def read(frames: bytes) -> list[Any]:
    """What the frames say."""
    return [json.loads(text) for text in FrameReader().read(frames) if isinstance(text, str)]


def outcome(text: str | bytes) -> Request | BadFrameError:
    """What parse() makes of it; anything but these two fails the test."""
    try:
        return protocol.parse(text)
    except BadFrameError as error:
        bad = error
    assert bad.error.code in {ErrorCode.INVALID, ErrorCode.UNKNOWN_OPERATION}
    assert read(protocol.refusal(bad.request_id, bad.error))[0]["ok"] is False
    return bad


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
@settings(max_examples=250, deadline=None)
def test_no_bytes_and_no_text_raise_anything_but_bad_frame(raw) -> None:
    assert isinstance(outcome(raw), BadFrameError | Request)


@given(VALUES)
@settings(max_examples=250, deadline=None)
def test_no_json_raises_anything_but_bad_frame(value) -> None:
    assert isinstance(outcome(json.dumps(value)), BadFrameError | Request)


@st.composite
def frames(draw: Any) -> dict[str, Any]:
    """A frame for some operation whose fields are right, wrong, missing or too many."""
    operation = OPERATIONS[draw(st.sampled_from(sorted(OPERATIONS)))]
    frame: dict[str, Any] = {"op": operation.name}
    if draw(st.booleans()):
        frame["id"] = draw(st.one_of(st.integers(), st.text(max_size=70), VALUES))
    if draw(st.integers(0, 9)):
        frame["channel"] = draw(st.one_of(st.just("general"), st.just("general"), VALUES))
    data: dict[str, Any] = {}
    for name, field in operation.fields.items():
        good = {
            "string": st.sampled_from(field.choices or ("a", "text", "👍")),
            "integer": st.integers(field.minimum, field.maximum),
            "boolean": st.booleans(),
            "cursors": st.dictionaries(st.sampled_from(["general", "random"]), st.integers(0, MAX_INTEGER)),
            "ids": st.lists(st.one_of(st.just(str(UUID(int=1))), st.text(max_size=3)), max_size=field.maximum + 1),
        }[field.kind]
        which = draw(st.integers(0, 5))
        if which:
            data[name] = draw(VALUES if which == 1 else good)
    if draw(st.integers(0, 4)) == 0:
        data[draw(st.text(max_size=5))] = draw(VALUES)
    frame["data"] = draw(VALUES) if draw(st.integers(0, 12)) == 0 else data
    return frame


def as_documented(operation: Operation, frame: dict[str, Any]) -> dict[str, Any]:
    """Without unknown fields, which are ignored, and nulls, which parse() takes for absent fields."""
    data = frame.get("data")
    if isinstance(data, dict):
        known = {name: value for name, value in data.items() if name in operation.fields and value is not None}
        frame = {**frame, "data": known}
    return {name: value for name, value in frame.items() if not (name == "data" and value is None)}


def is_documented(operation: Operation, frame: dict[str, Any]) -> bool:
    frame = as_documented(operation, frame)
    if not VALIDATORS[operation.name].is_valid(frame):
        return False
    # JSON Schema calls 1.0 an integer and 2**60 too; JavaScript's whole numbers end at 2**53, and so do ours.
    values = [frame.get("id"), *frame.get("data", {}).values()]
    nested = [each for value in values for each in (value.values() if isinstance(value, dict) else [value])]
    return all(isinstance(value, bool) or not isinstance(value, int | float) or is_whole(value) for value in nested)


def is_whole(value: object) -> bool:
    return type(value) is int and abs(value) <= MAX_INTEGER


@given(frames())
@settings(max_examples=300, deadline=None)
def test_what_the_document_describes_is_accepted_and_nothing_else(frame) -> None:
    frame_id = frame.get("id")
    try:
        text = orjson.dumps(frame)
    except TypeError:  # a lone surrogate or an integer beyond 64 bits: no JSON of ours
        assert isinstance(outcome(json.dumps(frame)), BadFrameError | Request)
        return
    frame = json.loads(text)
    operation = OPERATIONS[frame["op"]]
    found = outcome(text)
    is_long_id = isinstance(frame_id, str) and len(frame_id) > protocol.MAX_ID_CHARS
    assert isinstance(found, Request) == (is_documented(operation, frame) and not is_long_id)
    if isinstance(found, Request):
        assert set(found.data) == set(operation.fields), "unknown fields are ignored, absent ones have their default"


@pytest.mark.parametrize(
    "raw",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"op":"hello","data":' + "[" * 50_000 + "]" * 50_000 + "}",
        "9" * 1_000_000,
        '{"id":' + "9" * 100_000 + ',"op":"pong"}',
        '{"op":"pong","op":5}',
        b"\xff\xfe",
        b"\x00",
        "",
        "null",
        '"pong"',
        '{"op":"__class__"}',
        '{"op":"pong","id":1.0}',
        '{"op":"pong","id":true}',
        '{"op":"pong","id":[1]}',
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_bombs_and_oddities_are_bad_frames(raw: str | bytes) -> None:
    assert isinstance(outcome(raw), BadFrameError)


def test_a_refusal_names_the_request_it_answers_where_it_is_known() -> None:
    cases: dict[str, Any] = {
        '{"id": 7, "op": "nope"}': 7,
        '{"id": "a", "op": 5}': "a",
        '{"id": 9, "op": "message.send", "channel": "x"}': 9,
        '{"id": {}, "op": "pong"}': None,
        "[1]": None,
    }
    for text, expected in cases.items():
        bad = outcome(text)
        assert isinstance(bad, BadFrameError)
        assert bad.request_id == expected


def test_wrong_fields_are_named() -> None:
    bad = outcome('{"op": "message.send", "data": {"text": 5}}')
    assert isinstance(bad, BadFrameError)
    assert bad.error.fields == {"channel": "must be a string", "text": "must be a string", "nonce": "is missing"}


@pytest.mark.parametrize(
    ("name", "data", "field"),
    [
        ("hello", {"resume": {"a\x00b": 0}}, "resume"),
        ("sync", {"channels": {"\x00": 0}}, "channels"),
        ("channel.list", {"search": "a\x00"}, "search"),
        ("moderation.ban", {"user": "a\x00"}, "user"),
    ],
)
def test_what_no_database_could_look_for_is_refused(name: str, data: Any, field: str) -> None:
    """PostgreSQL takes no NUL: these were errors of ours there, in the log and to the client."""
    bad = outcome(json.dumps({"op": name, "data": data}))
    assert isinstance(bad, BadFrameError)
    assert set(bad.error.fields or ()) == {field}


@given(st.text(), st.integers(0, 2**50))
@settings(max_examples=200, deadline=None)
def test_what_we_write_reads_back_as_it_was(text, seq) -> None:
    event = Event(EventType.MESSAGE_NEW, None, {"text": text}, seq)
    encoded = protocol.FORMAT.encode(event)
    assert encoded is not None
    joined = encoded + protocol.answer(seq, {"text": text}) + protocol.refusal(text, InvalidError(text or "x"))
    first, second, third = read(joined)
    assert first == {"event": "message.new", "seq": seq, "data": {"text": text}}
    assert second == {"re": seq, "ok": True, "data": {"text": text}}
    assert (third["re"], third["error"]["code"]) == (text, "invalid")


def test_bye_says_when_to_come_back_only_where_one_may() -> None:
    (said,) = read(protocol.bye(Bye(CloseCode.RESTARTING, retry_after_s=2.5)))
    assert said["data"] == {"code": 4001, "reason": "restarting", "retry_after": 2.5}
    (said,) = read(protocol.bye(Bye(CloseCode.BANNED)))
    assert said["data"] == {"code": 4502, "reason": "banned"}


def test_the_document_is_made_of_valid_schemas_and_references() -> None:
    whole = json.loads(json.dumps(document()))
    for message in whole["components"]["messages"].values():
        jsonschema.Draft202012Validator.check_schema(message["payload"])
    for reference in _references(whole):
        target: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for each in value.values() for found in _references(each)]
    return [found for each in value for found in _references(each)] if isinstance(value, list) else []
