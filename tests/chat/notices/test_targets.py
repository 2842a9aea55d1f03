"""Where a push may go: nobody makes this server call what only its own network can reach."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore
import pytest

from chat.notices.targets import CheckedBackend, Targets
from reaktor.addresses import is_public, parse_address
from reaktor.config.model import Push

DEFAULT = Targets(Push())
OWN = Targets(Push(hosts=("push.example", "*.wild.example", "odd.example:8443")))

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "142.250.185.138", "2606:4700:4700::1111", "2a00:1450:4001:827::200a", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_of_a_network_is_not_public(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert not is_public(address)


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_is(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert is_public(address)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
        "https://db5p.notify.windows.com/w/?token=BQ",
        "https://web.push.apple.com/QGuQyavXutnMH",
        "https://FCM.googleapis.com:443/fcm/send/x",
    ],
)
def test_the_known_services_are_allowed(endpoint: str) -> None:
    assert DEFAULT.allows(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "ftp://fcm.googleapis.com/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evilfcm.googleapis.com/x",
        "https://notify.windows.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://user:word@fcm.googleapis.com/x",
        "https://127.0.0.1/fcm.googleapis.com",
        "https://[::1]/x",
        "https://localhost/x",
        "https://fcm.googleapis.com\\@127.0.0.1/x",
        "https://fcm.googleapis.com#@127.0.0.1/",
        "https://fcm.googleapis.com:port/x",
        "https://fcm.googleapis.com/a b",
        "https://fcm.googleapis.com/\r\nHost: evil",
        "https://fcm。googleapis。com/x",
        "https:///x",
        "//fcm.googleapis.com/x",
        "",
    ],
)
def test_nothing_else_is(endpoint: str) -> None:
    assert not DEFAULT.allows(endpoint)


def test_a_pattern_stands_for_all_below_it_and_a_port_is_named() -> None:
    allowed = ["https://push.example/x", "https://a.wild.example/x", "https://a.b.wild.example/x"]
    assert all(OWN.allows(endpoint) for endpoint in [*allowed, "https://odd.example:8443/x"])
    refused = ["https://wild.example/x", "https://a.push.example/x", "https://odd.example/x"]
    assert not any(OWN.allows(endpoint) for endpoint in refused)


class Resolver:
    """Answers for any name with these addresses, one list after the other, as a hostile name server does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int, **options: Any) -> list[Any]:
        found = self.answers.pop(0)
        return [(socket.AF_INET6 if ":" in text else socket.AF_INET, 1, 6, "", (text, port)) for text in found]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which addresses connections were begun to."""
    found: list[str] = []

    async def connect_tcp(self: Any, host: str, *args: Any, **kwargs: Any) -> None:
        found.append(host)
        raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)
    return found


async def connect(monkeypatch: pytest.MonkeyPatch, resolver: Resolver) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver, raising=False)
    with pytest.raises(httpcore.ConnectError):
        await CheckedBackend(allows_private=False).connect_tcp("push.example", 443, 1.0)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_not_called(
    address: str, monkeypatch: pytest.MonkeyPatch, dialled: list[str]
) -> None:
    await connect(monkeypatch, Resolver([address]))
    assert dialled == []


async def test_of_several_addresses_a_public_one_is_called(monkeypatch: pytest.MonkeyPatch, dialled: list[str]) -> None:
    await connect(monkeypatch, Resolver(["10.0.0.1", "1.1.1.1"]))
    assert dialled == ["1.1.1.1"]


async def test_what_is_called_is_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str]
) -> None:
    """A name that leads elsewhere when it is asked a second time (DNS rebinding) is not asked a second time."""
    resolver = Resolver(["1.1.1.1"], ["127.0.0.1"])
    await connect(monkeypatch, resolver)
    assert dialled == ["1.1.1.1"]
    assert resolver.answers == [["127.0.0.1"]]


async def test_no_socket_of_the_machine_is_called() -> None:
    with pytest.raises(httpcore.ConnectError):
        await CheckedBackend(allows_private=True).connect_unix_socket("/run/secret.sock")
