"""What real clients and servers of all generations sent is read, and written back byte for byte where we agree.

`captures.json` holds traffic between clients and servers of 1.7, 2.5 and 4.8; `replaced_server.json` what the server
that this one replaces answered to hand-written requests.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from reaktor.engineio.codec_v3 import CODEC_V3
from reaktor.engineio.codec_v4 import CODEC_V4
from reaktor.engineio.packets import Packet, PacketType, PayloadError
from reaktor.socketio.connection import Connection
from reaktor.socketio.packet import PacketError, parse

DATA = Path(__file__).parent / "data"
CAPTURES: dict[str, list[dict[str, Any]]] = json.loads((DATA / "captures.json").read_text())
EXCHANGES: list[dict[str, Any]] = json.loads((DATA / "replaced_server.json").read_text())
SPOKEN = "žluťoučký 😀"


def codec_of(name: str) -> Any:
    return CODEC_V4 if name in ("csr", "hb-s48-c48") or name.startswith("s48") else CODEC_V3


def packets_of(name: str) -> list[tuple[str, Packet]]:
    codec = codec_of(name)
    packets: list[tuple[str, Packet]] = []
    for item in CAPTURES[name]:
        if item.get("body") == "ok":
            continue
        if "body" in item:
            found = codec.decode_payload(item["body"].encode(), is_binary=False, max_packets=100)
        else:
            found = [codec.decode_frame(item["frame"] if "frame" in item else bytes.fromhex(item["hex"]))]
        packets += [(item["from"], packet) for packet in found]
    return packets


@pytest.mark.parametrize("name", CAPTURES)
def test_every_recorded_packet_is_read(name: str) -> None:
    packets = packets_of(name)
    assert packets[0][1].type is PacketType.OPEN
    assert any(sender == "client" for sender, _ in packets)


@pytest.mark.parametrize("name", [name for name in CAPTURES if name != "csr"])
def test_non_ascii_text_arrives_as_it_was_meant_on_every_transport(name: str) -> None:
    said = [packet.data for sender, packet in packets_of(name) if sender == "client"]
    assert f'20["echo","{SPOKEN}"]' in said


@pytest.mark.parametrize("name", CAPTURES)
def test_recorded_bodies_and_frames_are_written_as_they_were(name: str) -> None:
    codec = codec_of(name)
    for item in CAPTURES[name]:
        if item.get("body") == "ok":
            continue
        if "body" in item:
            body = item["body"].encode()
            packets = codec.decode_payload(body, is_binary=False, max_packets=100)
            # Text that 1.x encoded twice is the one thing we never write that way.
            if not any(isinstance(packet.data, str) and not packet.data.isascii() for packet in packets):
                assert codec.encode_payload(packets, allow_binary=False).body == body
        else:
            frame = item["frame"] if "frame" in item else bytes.fromhex(item["hex"])
            assert codec.encode_frame(codec.decode_frame(frame), allow_binary=True) == frame


@pytest.mark.parametrize("name", [name for name in CAPTURES if name != "csr"])
def test_recorded_clients_speak_valid_socketio(name: str) -> None:
    connection = Connection(codec_of(name).revision, {"/", "/admin"})
    for heard in connection.opened():
        connection.accept(heard.namespace, "id")  # type: ignore[union-attr]  # opened() only asks to connect
    for sender, packet in packets_of(name):
        if sender == "client" and packet.type is PacketType.MESSAGE:
            for heard in connection.receive(packet.data):
                if type(heard).__name__ == "ConnectRequested":
                    connection.accept(heard.namespace, "id")  # type: ignore[union-attr]
    assert not any(connection.is_joined(namespace) for namespace in ("/", "/admin"))


def test_the_recorded_recovery_request_is_understood() -> None:
    requests = [packet.data for sender, packet in packets_of("csr") if sender == "client" and "pid" in str(packet.data)]
    connection = Connection(4, {"/"})
    (heard,) = connection.receive(requests[0])
    assert (heard.pid, heard.offset) == ("zsJ6sLM5IGz60wjvAAAB", "Q8B01pB")  # type: ignore[union-attr]
    assert heard.auth == {"token": "x"}  # type: ignore[union-attr]


def request_bodies() -> list[dict[str, Any]]:
    return [exchange for exchange in EXCHANGES if exchange["method"] == "POST" and exchange["request"]]


@pytest.mark.parametrize("exchange", request_bodies(), ids=lambda exchange: exchange["label"])
def test_bodies_that_the_replaced_server_took_are_taken(exchange: dict[str, Any]) -> None:
    body = bytes.fromhex(exchange["request"])
    is_binary = exchange["request_type"] == "application/octet-stream"
    if exchange["label"] in ("b64 post single-encoded utf8 (byte length)", "bad payload POST"):
        with pytest.raises(PayloadError):
            CODEC_V3.decode_payload(body, is_binary=is_binary, max_packets=10)
        return
    for packet in CODEC_V3.decode_payload(body, is_binary=is_binary, max_packets=10):
        if packet.type is PacketType.MESSAGE and isinstance(packet.data, str):
            parse(packet.data, 4)


def test_text_posted_in_either_encoding_is_the_same_text() -> None:
    by_label = {exchange["label"]: bytes.fromhex(exchange["request"] or "") for exchange in EXCHANGES}
    twice = CODEC_V3.decode_payload(
        by_label["b64 post double-encoded utf8 (what string-only 1.x clients send)"], is_binary=False, max_packets=10
    )
    once = CODEC_V3.decode_payload(
        by_label["b64 post single-encoded utf8 (char length)"], is_binary=False, max_packets=10
    )
    assert twice == once
    assert "höi" in str(once[0].data)


def test_answers_of_the_replaced_server_are_read() -> None:
    for exchange in EXCHANGES:
        if exchange["status"] == 200 and exchange["answer"] not in ("", b"ok".hex()) and "j=0" not in exchange["query"]:
            is_binary = exchange["type"] == "application/octet-stream"
            assert CODEC_V3.decode_payload(bytes.fromhex(exchange["answer"]), is_binary=is_binary, max_packets=10)


def test_what_recorded_servers_say_in_error_is_not_taken_from_a_client() -> None:
    with pytest.raises(PacketError):
        parse('4/nope,"Invalid namespace"', 4)
