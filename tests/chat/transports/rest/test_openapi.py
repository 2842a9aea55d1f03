"""The OpenAPI document: it says of every path what the path does, and the page that shows it keeps its own policy."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from chat.transports.rest import docs
from tests.support.openapi import DOCUMENT, check, operations
from tests.support.rest import Rest, live, logged_in, post, register

OPEN = ("/api/v1/accounts", "/api/v1/tokens", "/api/v1/email/confirm", "/api/v1/password", "/api/v1/hooks/")
"""Asked by who has no token yet."""


def test_the_document_is_valid_and_made_without_a_warning() -> None:
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        validate_schema(SchemaGenerator().get_schema(request=None, public=True))
        assert not GENERATOR_STATS._warn_cache
        assert not GENERATOR_STATS._error_cache


def test_it_holds_the_paths_of_this_interface_and_no_others() -> None:
    assert all(path.startswith("/api/v1/") for path in DOCUMENT["paths"])
    assert len(list(operations())) == 103


def test_every_operation_names_its_errors_and_who_may_ask() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for path, _, operation in operations():
        assert {"400", "401", "405", "413", "415", "429", "500", "503"} <= set(operation["responses"])
        assert operation["description"]
        # The page listed bare paths.
        assert 4 <= len(operation["summary"]) <= 80, operation["summary"]
        assert operation["tags"]
        is_open = path.startswith(OPEN) and not path.endswith("revoke-all")
        is_open = is_open or operation["operationId"] in {"server_invites_look", "server_get"}
        # A reader had to find out by trying what a request looks like.
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body["examples"]["Example"]["value"], operation["operationId"]
        assert all("example" in each for each in operation.get("parameters", []) if each.get("required"))
        # Of files: a signed address, or the cookie of a page, is as good as a token.
        others = [{}] if operation["operationId"] == "files_get" else []
        assert operation.get("security", [{}]) == ([{}] if is_open else [{"bearer": []}, *others])
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.django_db
def test_answers_have_the_shapes_that_it_describes() -> None:
    ada = register("ada")
    rest = logged_in(ada)
    made = post(ada, "hello")
    message = "/api/v1/channels/general/messages"
    with live(general=[("ada", "online")]):
        for path, template in (
            ("/api/v1/me", "/api/v1/me"),
            ("/api/v1/channels", "/api/v1/channels"),
            ("/api/v1/channels/general", "/api/v1/channels/{key}"),
            ("/api/v1/channels/nokey", "/api/v1/channels/{key}"),
            ("/api/v1/channels/general/members", "/api/v1/channels/{key}/members"),
            (message, "/api/v1/channels/{key}/messages"),
            (f"{message}?limit=x", "/api/v1/channels/{key}/messages"),
            ("/api/v1/channels/general/changes?after=0", "/api/v1/channels/{key}/changes"),
            ("/api/v1/channels/general/changes?after=9", "/api/v1/channels/{key}/changes"),
        ):
            check(*rest.get(path), template)
            check(*Rest().get(path), template)
    reaction = "/api/v1/channels/{key}/messages/{message_id}/reactions/{emoji}"
    check(*rest.put(f"{message}/{made['id']}/reactions/x"), reaction, "put")
    for method, body in (
        ("patch", {"text": "edited"}),
        ("patch", {"text": 1}),
        ("delete", None),
        ("patch", {"text": "x"}),
    ):
        answer = rest(method.upper(), f"{message}/{made['id']}", body)
        check(*answer, "/api/v1/channels/{key}/messages/{message_id}", method)
    check(*rest.post("/api/v1/channels", {"name": "new"}), "/api/v1/channels", "post")
    check(*rest.put("/api/v1/channels/general/read", {"number": 1}), "/api/v1/channels/{key}/read", "put")
    check(*rest.post("/api/v1/tokens/revoke-all"), "/api/v1/tokens/revoke-all", "post")
    check(*rest.post("/api/v1/tokens/revoke-all"), "/api/v1/tokens/revoke-all", "post")


def test_it_is_served_as_json_and_not_sent_twice() -> None:
    response = Rest().send("GET", "/api/v1/schema")
    assert response["Content-Type"] == "application/json"
    assert orjson.loads(response.content) == DOCUMENT
    again = Rest().send("GET", "/api/v1/schema", **{"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Rest().send("POST", "/api/v1/schema").status_code == 405


def test_requests_that_come_at_once_all_get_the_document() -> None:
    """Made by several threads at once it failed in most of them: the first parallel requests were 500."""
    docs._document.cache_clear()
    together = threading.Barrier(4)

    def ask(_: int) -> tuple[bytes, str]:
        together.wait(10)
        return docs.document()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_the_page_brings_nothing_from_elsewhere_and_nothing_inline() -> None:
    response = Rest().send("GET", "/api/v1/docs")
    text = response.content.decode()
    assert response.status_code == 200
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert "http://" not in text
    assert "https://" not in text
    assert "<style" not in text
    assert all("src=" in tag.split(">")[0] for tag in text.split("<script")[1:])
