"""Which pages may open a WebSocket."""

from __future__ import annotations

import pytest

from reaktor.web.origins import may_connect


def scope(origin: str | None, host: str | None = "chat.example") -> dict[str, object]:
    headers = [(b"host", host.encode())] if host is not None else []
    return {"headers": headers + ([(b"origin", origin.encode())] if origin is not None else [])}


@pytest.mark.parametrize("allowed", [[], ["https://chat.example"], ["*"]])
def test_no_browser_no_origin_no_question(allowed: list[str]) -> None:
    assert may_connect(scope(None), allowed)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://chat.example", True),
        ("https://chat.example/", True),
        ("http://chat.example", False),
        ("https://chat.example:81", False),
        ("https://chat.example.evil.example", False),
        ("https://evilchat.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_with_a_list_only_what_is_on_it(origin: str, is_allowed: bool) -> None:
    assert may_connect(scope(origin), ["https://chat.example"]) is is_allowed


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("http://chat.example", "chat.example", True),
        ("http://CHAT.example:8000", "chat.example:8000", True),
        ("http://chat.example:8001", "chat.example:8000", False),
        ("http://evil.example", "chat.example", False),
        ("http://user@chat.example", "chat.example", False),
        ("null", "chat.example", False),
        ("", "", False),
        ("null", None, False),
        ("http://", "", False),
    ],
)
def test_without_a_list_only_the_host_itself(origin: str, host: str | None, is_allowed: bool) -> None:
    assert may_connect(scope(origin, host), []) is is_allowed


def test_a_star_is_everybody() -> None:
    assert may_connect(scope("https://evil.example"), ["*"])
