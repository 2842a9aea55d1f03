"""GET /api/v1/search: what it answers, with which rights, and how often it is asked."""

from __future__ import annotations

import pytest

from chat.search import finding
from chat.search.indexing import index_now
from chat.transports.rest import search
from tests.support.rest import Rest, error_code, logged_in, register

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Rest:
    rest = logged_in(register("ada"))
    rest.post("/api/v1/channels", {"name": "Tea"})
    return rest


def said(rest: Rest, key: str, *texts: str) -> None:
    for text in texts:
        status, _ = rest.post(f"/api/v1/channels/{key}/messages", {"text": text, "nonce": text})
        assert status == 201
    index_now()


def test_messages_are_found_by_whoever_belongs_to_the_channel(ada: Rest) -> None:
    _, made = ada.post("/api/v1/channels", {"name": "Secret", "kind": "private"})
    said(ada, made["key"], "Green TEA")
    status, page = ada.get("/api/v1/search?q=tea&from=ada&has=&in=")
    assert (status, error_code(page)) == (400, "invalid")
    status, page = ada.get(
        f"/api/v1/search?q=tea&from=ada&in={made['key']}&after=2026-01-01&before=2200-01-01T00:00:00Z"
    )
    assert status == 200
    (hit,) = page["results"]
    assert hit["message"]["text"] == "Green TEA"
    assert hit["channel"] == {"key": made["key"], "name": "Secret", "kind": "private"}
    assert (hit["highlights"], page["next"]) == ([[6, 9]], None)
    eve = logged_in(register("eve"))
    assert eve.get("/api/v1/search?q=tea") == (200, {"results": [], "next": None})
    assert eve.get(f"/api/v1/search?q=tea&in={made['key']}")[0] == 404


def test_each_parameter_narrows_what_is_found(ada: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PAGE", 2)
    _, made = ada.post("/api/v1/channels", {"name": "Search"})
    key = made["key"]
    said(ada, key, "tea 1", "tea 2 https://tea.example", "`https://tea.example` tea 3")
    _, root = ada.post(f"/api/v1/channels/{key}/messages", {"text": "tea 4", "nonce": "root"})
    ada.post(f"/api/v1/channels/{key}/messages", {"text": "tea 5", "nonce": "reply", "thread": root["id"]})
    index_now()

    def found(query: str) -> tuple[list[str], str | None]:
        status, page = ada.get(f"/api/v1/search?{query}")
        assert status == 200, page
        return [hit["message"]["text"] for hit in page["results"]], page["next"]

    assert found(f"q=tea&thread={root['id']}")[0] == ["tea 5", "tea 4"]
    assert found("has=link")[0] == ["tea 2 https://tea.example"]
    assert found("q=tea&has=file") == ([], None)
    assert found("q=tea&before=2026-01-01") == ([], None)
    assert found("q=tea&after=2200-01-01") == ([], None)
    texts, following = found("q=tea")
    assert texts == ["tea 5", "tea 4"]
    texts, following = found(f"q=tea&cursor={following}")
    assert texts == ["`https://tea.example` tea 3", "tea 2 https://tea.example"]
    assert found(f"q=tea&cursor={following}")[0] == ["tea 1"]


@pytest.mark.parametrize(
    "query",
    ["", "q=", "q=-tea", "q=tea&has=tea", "q=tea&before=noon", "q=tea&after=99999-01-01", "q=tea&cursor=-1",
     "q=tea&cursor=x", "q=tea&in=a%00", f"q={'x' * 257}", "q=a*"],
)  # fmt: skip
def test_what_is_no_search_is_refused(query: str, ada: Rest) -> None:
    status, answer = ada.get(f"/api/v1/search?{query}")
    assert (status, error_code(answer)) == (400, "invalid")


def test_too_many_at_once_are_refused(ada: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "AT_ONCE", search.BoundedSemaphore(1))
    monkeypatch.setattr(search, "TURN_S", 0.01)
    assert ada.get("/api/v1/search?q=tea")[0] == 200
    with search.AT_ONCE:
        assert ada.get("/api/v1/search?q=tea")[0] == 503
    assert ada.get("/api/v1/search?q=tea")[0] == 200
