"""Host names and origins in one way of writing, and the check of an Origin header."""

from __future__ import annotations

import pytest

from reaktor.hosts import host_of, is_allowed_origin, is_loopback, normal_host, normal_origin


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Chat.Example", "chat.example"),
        ("chat.example.", "chat.example"),
        ("chat.example/", "chat.example"),
        ("münch.example", "xn--mnch-0ra.example"),
        ("MÜNCH.example", "xn--mnch-0ra.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("日本。example", "xn--wgv71a.example"),
        ("☕.example", "xn--53h.example"),
        ("mu\u0308nch.example", "xn--mnch-0ra.example"),
        (".Bücher.example", ".xn--bcher-kva.example"),
        ("*", "*"),
        ("::1", "[::1]"),
        ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("inner_host", "inner_host"),
    ],
)
def test_a_host_is_written_as_a_browser_sends_it(written: str, host: str) -> None:
    """PUBLIC_URL=https://münch.example refused every browser with 400: the Host header has the name in Punycode."""
    assert normal_host(written) == normal_host(host) == host


@pytest.mark.parametrize("written", ["", "a b", "h?", "h#x", "user@h", "a/b", "h:80", "\N{ACCOUNT OF}"])
def test_what_is_no_host(written: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        normal_host(written)


@pytest.mark.parametrize("written", ["chat.example", "Chat.Example:8000", "https://chat.example/", "chat.example/"])
def test_the_host_of_whatever_names_one(written: str) -> None:
    """ALLOWED_HOSTS=https://chat.example/ let nobody in, without a word."""
    assert host_of(written) == "chat.example"


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("HTTPS://Chat.Example/", "https://chat.example"),
        ("https://chat.example:443", "https://chat.example"),
        ("http://chat.example:80/", "http://chat.example"),
        ("https://chat.example:8443", "https://chat.example:8443"),
        ("https://münch.example", "https://xn--mnch-0ra.example"),
        ("http://[::0001]:8000", "http://[::1]:8000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://*.chat.example", "https://*.chat.example"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_an_origin_is_written_as_a_browser_sends_it(written: str, origin: str) -> None:
    assert normal_origin(written) == normal_origin(origin) == origin


@pytest.mark.parametrize(
    "written",
    [
        "",
        "chat.example",
        "https://",
        "https://h/path",
        "https://u@h",
        "https://h?",
        "https://h#x",
        "https://h:port",
        "http://[::1",
    ],
)
def test_what_is_no_origin(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normal_origin(written)


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("https://chat.example", "chat.example:443", True),
        ("https://xn--mnch-0ra.example", "münch.example".encode().decode("latin-1"), False),
        ("http://[::1", "chat.example", False),
        ("null", "null", False),
        ("http://chat.example", None, False),
    ],
)
def test_without_a_list_a_page_of_the_host_itself_comes_in(origin: str, host: str | None, is_allowed: bool) -> None:
    """An Origin of `http://[::1` ended a WebSocket with 500 instead of a refusal."""
    assert is_allowed_origin(origin, (), host) is is_allowed


def test_with_a_list_the_host_that_was_asked_plays_no_part() -> None:
    assert not is_allowed_origin("https://chat.example", ("https://other.example",), "chat.example")
    assert is_allowed_origin("HTTPS://Other.example:443/", ("https://other.example",), "chat.example")


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("chat.localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine_alone(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own
