"""The AsyncAPI document over HTTP."""

import re

from django.test import Client

from chat.transports.native.asyncapi import document


def test_the_document_is_served_without_a_token(client: Client) -> None:
    answer = client.get("/api/v1/asyncapi.json")
    assert answer.status_code == 200
    assert answer.json() == document()


def test_the_page_names_everything_and_each_link_leads_somewhere(client: Client) -> None:
    """Who wrote a client had to read 4,000 lines of JSON."""
    answer = client.get("/api/v1/asyncapi")
    text = answer.content.decode()
    assert answer.status_code == 200
    for message in document()["components"]["messages"].values():
        assert (
            message["name"].endswith(" answer")
            or f"<code>{message['name']}</code>" in text
            or message["name"] == "refusal"
        )
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links - set(re.findall(r'id="([^"]+)"', text)) == set()
    assert {f"shape-{name}" for name in document()["components"]["schemas"]} <= links
    assert "4502" in text


def test_the_page_brings_nothing_from_elsewhere_and_nothing_inline(client: Client) -> None:
    answer = client.get("/api/v1/asyncapi")
    text = answer.content.decode()
    assert "script-src 'self';" in answer["Content-Security-Policy"]
    assert "//" not in text.replace("<!doctype", "")
    assert "<script" not in text
    assert "<style" not in text
    assert " style=" not in text
