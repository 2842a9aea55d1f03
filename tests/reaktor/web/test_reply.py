"""Replies: two messages, a HEAD without a body, headers in their order."""

from __future__ import annotations

from typing import Any

from reaktor.web.reply import NO_STORE, Reply, json_reply, text_reply


async def sent(reply: Reply, method: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await reply.send({"method": method}, send)
    return messages


async def test_a_reply_is_two_messages_and_the_second_is_empty_for_head() -> None:
    reply = json_reply(503, {"is": "ž"}, NO_STORE)
    start, body = await sent(reply, "GET")
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    assert start == {"type": "http.response.start", "status": 503, "headers": headers}
    assert body == {"type": "http.response.body", "body": '{"is":"ž"}'.encode()}
    assert await sent(reply, "HEAD") == [start, {"type": "http.response.body", "body": b""}]


def test_text_says_its_charset() -> None:
    assert text_reply(200, "ž").headers == [(b"content-type", b"text/plain; charset=utf-8")]
