"""The AsyncAPI document over HTTP."""

from django.test import Client

from chat.transports.native.asyncapi import document


def test_the_document_is_served_without_a_token(client: Client) -> None:
    answer = client.get("/api/v1/asyncapi.json")
    assert answer.status_code == 200
    assert answer.json() == document()
