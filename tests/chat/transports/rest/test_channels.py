"""/api/v1/channels."""

from __future__ import annotations

from typing import Any

import pytest

from chat.domain.events import ChannelData, OwnChannelData
from chat.models import Channel, ChannelMembership
from reaktor.config.model import Limits, Rate
from tests.support.rest import Rest, error_code, live, logged_in, post, register, set_limits

pytestmark = pytest.mark.django_db


@pytest.fixture
def rest() -> Rest:
    return logged_in(register("ada"))


def private(**fields: Any) -> Channel:
    return Channel.objects.create(key="prv-secret", name="Secret", kind="private", **fields)


def test_a_new_account_belongs_to_the_three_first_channels(rest: Rest) -> None:
    status, body = rest.get("/api/v1/channels")
    assert status == 200
    assert body["next"] is None
    assert [(each["key"], each["name"], each["role"]) for each in body["results"]] == [
        ("general", "General", "member"), ("programming", "Programming", "member"), ("random", "Random", "member"),
    ]  # fmt: skip
    assert set(body["results"][0]) == set(ChannelData.__annotations__)


def test_online_counts_are_the_live_ones(rest: Rest) -> None:
    with live(general=[("ada", "online"), ("bob", "away")]):
        assert [each["online"] for each in rest.get("/api/v1/channels")[1]["results"]] == [2, 0, 0]
        assert rest.get("/api/v1/channels/general")[1]["online"] == 2
        assert rest.get("/api/v1/channels/general/members") == (
            200,
            {
                "results": [{"username": "ada", "status": "online"}, {"username": "bob", "status": "away"}],
                "next": None,
            },
        )
        for cursor in ("x", "2_ada", "0_"):
            assert rest.get(f"/api/v1/channels/general/members?cursor={cursor}")[0] == 400
    assert rest.get("/api/v1/channels/general/members")[1]["results"] == []


def test_who_makes_a_channel_owns_it(rest: Rest) -> None:
    status, made = rest.post("/api/v1/channels", {"name": "  Ada's  ", "topic": " engines ", "extra": 1})
    assert status == 201
    assert (made["name"], made["topic"], made["kind"], made["role"]) == ("Ada's", "engines", "public", "owner")
    assert len(made["key"]) == 43
    assert rest.get(f"/api/v1/channels/{made['key']}") == (200, made)
    assert rest.get("/api/v1/channels?search=aDA%27")[1]["results"] == [made]
    assert rest.get("/api/v1/channels?search=nothing")[1]["results"] == []


def test_an_unlisted_channel_is_read_by_who_knows_its_key_and_listed_nowhere(rest: Rest) -> None:
    made = rest.post("/api/v1/channels", {"name": "hidden", "kind": "unlisted"})[1]
    bob = logged_in(register("bob"))
    assert made["key"] not in str(bob.get("/api/v1/channels"))
    assert bob.get(f"/api/v1/channels/{made['key']}")[1]["role"] is None


def test_a_private_channel_does_not_exist_for_others(rest: Rest) -> None:
    channel = private()
    for path in ("", "/members", "/messages", "/changes?after=0"):
        status, body = rest.get(f"/api/v1/channels/prv-secret{path}")
        assert (status, error_code(body)) == (404, "not_found")
        assert body == rest.get(f"/api/v1/channels/prv-nothing{path}")[1]
    assert rest.post("/api/v1/channels/prv-secret/messages", {"text": "x", "nonce": "n"})[0] == 404
    assert rest.put("/api/v1/channels/prv-secret/read", {"number": 1})[0] == 404
    assert rest.patch("/api/v1/channels/prv-secret", {"name": "x"})[0] == 404
    from accounts.models import User

    ChannelMembership.objects.create(channel=channel, user=User.objects.get(username="ada"))
    assert rest.get("/api/v1/channels/prv-secret")[1]["role"] == "member"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": 42}, "name"), ({"name": ""}, "name"), ({"name": "   "}, "name"),
        ({"name": "n" * 81}, "name"), ({"name": "a\x00b"}, "name"), ({"name": None}, "name"),
        ({"name": "x", "kind": "direct"}, "kind"),
        ({"name": "x", "kind": 1}, "kind"), ({"name": "x", "topic": "t" * 401}, "topic"),
        ({"name": "x", "topic": ["t"]}, "topic"),
    ],
)  # fmt: skip
def test_a_channel_that_breaks_a_rule_is_not_made(rest: Rest, body: Any, field: str) -> None:
    status, answer = rest.post("/api/v1/channels", body)
    assert (status, list(answer["error"]["fields"])) == (400, [field])


def test_a_user_makes_a_limited_number_of_channels(rest: Rest) -> None:
    set_limits(Limits(create_channel=Rate(2, 3600)))
    assert [rest.post("/api/v1/channels", {"name": "x"})[0] for _ in range(3)] == [201, 201, 429]
    assert logged_in(register("bob")).post("/api/v1/channels", {"name": "x"})[0] == 201


def test_what_breaks_a_rule_does_not_count(rest: Rest) -> None:
    set_limits(Limits(create_channel=Rate(1, 3600)))
    assert rest.post("/api/v1/channels", {"name": 1})[0] == 400
    assert rest.post("/api/v1/channels", {"name": "x"})[0] == 201


def test_only_an_owner_or_staff_changes_a_channel(rest: Rest) -> None:
    key = rest.post("/api/v1/channels", {"name": "old"})[1]["key"]
    bob, staff = logged_in(register("bob")), logged_in(register("sue", is_staff=True))
    assert error_code(bob.patch(f"/api/v1/channels/{key}", {"name": "bob's"})[1]) == "forbidden"
    assert bob.post(f"/api/v1/channels/{key}/archive")[0] == 403
    assert rest.patch(f"/api/v1/channels/{key}", {"name": "new"})[1]["name"] == "new"
    assert rest.patch(f"/api/v1/channels/{key}", {"topic": ""})[1]["topic"] == ""
    assert staff.patch(f"/api/v1/channels/{key}", {"topic": "quiet please"})[1]["topic"] == "quiet please"


def test_changes_of_one_user_are_limited_whatever_they_change(rest: Rest) -> None:
    set_limits(Limits(changes=Rate(6, 60)))
    path = f"/api/v1/channels/{rest.post('/api/v1/channels', {'name': 'tea'})[1]['key']}"
    bob = logged_in(register("bob"))
    mine, theirs = (
        f"{path}/messages/{who.post(f'{path}/messages', {'text': 'x', 'nonce': '1'})[1]['id']}" for who in (rest, bob)
    )
    asks: list[tuple[str, str, Any]] = [
        ("PATCH", path, {"topic": "x"}),
        ("PATCH", mine, {"text": "y"}),
        ("PUT", f"{mine}/reactions/x", None),
        ("DELETE", f"{mine}/reactions/x", None),
        ("POST", f"{theirs}/reports", {"reason": "spam"}),
    ]
    assert [rest(*ask)[0] for ask in asks] == [200, 200, 200, 200, 201]
    assert rest.patch(path, {"topic": 5})[0] == 400, "what breaks a rule does not count"
    assert rest.patch(path, {"topic": "y"})[0] == 200
    assert [rest(*ask)[0] for ask in asks] == [429] * 5
    assert rest.delete(mine)[0] == 200, "what one takes back is not counted"
    assert bob.put(f"{theirs}/reactions/x")[0] == 200


def test_an_archived_channel_is_read_but_not_written(rest: Rest) -> None:
    key = rest.post("/api/v1/channels", {"name": "old"})[1]["key"]
    assert rest.post(f"/api/v1/channels/{key}/messages", {"text": "x", "nonce": "1"})[0] == 201
    first = rest.post(f"/api/v1/channels/{key}/archive")[1]
    assert first["archived_at"]
    assert rest.post(f"/api/v1/channels/{key}/archive") == (200, first)
    assert len(rest.get(f"/api/v1/channels/{key}/messages")[1]["messages"]) == 1
    status, body = rest.post(f"/api/v1/channels/{key}/messages", {"text": "x", "nonce": "2"})
    assert (status, error_code(body)) == (403, "archived")
    assert key not in str(rest.get("/api/v1/channels"))


def test_the_list_is_read_page_by_page(rest: Rest) -> None:
    Channel.objects.bulk_create(Channel(key=f"k{n}", name=f"Channel {n}", kind="public") for n in range(205))
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        body = rest.get(f"/api/v1/channels{cursor}")[1]
        seen += [each["key"] for each in body["results"]]
        cursor = f"?cursor={body['next']}"
    assert body["next"] is None
    assert seen == ["general", "programming", "random", *(f"k{n}" for n in range(205))]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=-1", "cursor=99999999999999999999", "search=" + "x" * 81])
def test_a_query_that_makes_no_sense_is_refused(rest: Rest, query: str) -> None:
    assert rest.get(f"/api/v1/channels?{query}")[0] == 400


@pytest.mark.parametrize("key", ["nokey", "%00", "a%20b", "constructor", "é", "x" * 65, "general%0A"])
def test_a_key_that_leads_nowhere_is_not_found(rest: Rest, key: str) -> None:
    assert rest.get(f"/api/v1/channels/{key}")[0] == 404


def test_reading_marks_move_forward_unless_told_otherwise(rest: Rest) -> None:
    bob = register("bob")
    for index in range(3):
        post(bob, f"hello @ada {index}")
    assert rest.get("/api/v1/channels/general")[1] | {} == rest.get("/api/v1/channels/general")[1]
    found = rest.get("/api/v1/channels/general")[1]
    assert (found["number"], found["unread"], found["mentions"]) == (3, 3, 3)
    marks = [
        ({"number": 2}, {"read_number": 2, "read_flow": 2, "own": 0, "read_rev": 1, "unread": 1, "mentions": 1}),
        ({"number": 1}, {"read_number": 2, "read_flow": 2, "own": 0, "read_rev": 1, "unread": 1, "mentions": 1}),
        ({"number": 99}, {"read_number": 3, "read_flow": 3, "own": 0, "read_rev": 2, "unread": 0, "mentions": 0}),
        (
            {"number": 1, "back": True},
            {"read_number": 1, "read_flow": 1, "own": 0, "read_rev": 3, "unread": 2, "mentions": 2},
        ),
    ]
    for said, told in marks:
        assert rest.put("/api/v1/channels/general/read", said) == (200, {**told, "number": 3})
        assert rest.get("/api/v1/channels/general")[1]["mentions"] == told["mentions"]


def test_ones_own_channels_are_listed_with_what_was_said_last(rest: Rest) -> None:
    rest.post("/api/v1/channels", {"name": "Quiet"})
    post(register("bob"), "hello")
    status, body = rest.get("/api/v1/me/channels")
    assert status == 200
    assert set(body["results"][0]) == set(OwnChannelData.__annotations__)
    assert [each["name"] for each in body["results"]][:2] == ["General", "Quiet"]
    assert (body["results"][0]["last"]["text"], body["results"][0]["unread"]) == ("hello", 1)
    assert [each["key"] for each in rest.get("/api/v1/me/channels?unread=1")[1]["results"]] == ["general"]
    assert rest.get("/api/v1/me/channels?kind=direct")[1] == {"results": [], "next": None}
    for bad in ("kind=odd", "cursor=x", "unread=maybe"):
        assert rest.get(f"/api/v1/me/channels?{bad}")[0] == 400


@pytest.mark.parametrize("number", [None, "1", -1, 1.5, True, 2**60, [1]])
def test_a_reading_mark_is_a_whole_number(rest: Rest, number: Any) -> None:
    assert rest.put("/api/v1/channels/general/read", {"number": number})[0] == 400


def test_every_path_needs_a_token() -> None:
    for method, path in (
        ("GET", ""), ("POST", ""), ("GET", "/general"), ("PATCH", "/general"), ("POST", "/general/archive"),
        ("GET", "/general/members"), ("PUT", "/general/read"), ("GET", "/general/messages"),
        ("POST", "/general/messages"), ("GET", "/general/changes?after=0"), ("PATCH", "/general/messages/x"),
        ("DELETE", "/general/messages/x"), ("PUT", "/general/messages/x/reactions/y"),
    ):  # fmt: skip
        status, body = Rest()(method, f"/api/v1/channels{path}", {})
        assert (status, error_code(body)) == (401, "not_authenticated")


def test_a_list_of_channels_asks_the_same_number_of_questions_however_long(
    rest: Rest, django_assert_num_queries: Any
) -> None:
    Channel.objects.bulk_create(Channel(key=f"k{n}", name=f"Channel {n}", kind="public") for n in range(50))
    with django_assert_num_queries(2):
        rest.get("/api/v1/channels")
