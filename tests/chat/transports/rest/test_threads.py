"""Threads over REST: answering, pages of the flow and of a thread, following, reading, and one's own list."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from chat import selectors
from chat.models import Channel, ChannelMembership, UserBlock
from tests.support.databases import channel_of
from tests.support.rest import Rest, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PATH = "/api/v1/channels/tea"


@pytest.fixture
def rest() -> Rest:
    channel_of(None, "tea")
    return logged_in(register("ada"))


def say(rest: Rest, text: str, nonce: str, path: str = PATH, **more: Any) -> dict[str, Any]:
    status, body = rest.post(f"{path}/messages", {"text": text, "nonce": nonce, **more})
    assert status == 201, body
    return body


def texts(rest: Rest, query: str) -> list[str]:
    status, body = rest.get(f"{PATH}/messages{query}")
    assert status == 200, body
    return [message["text"] for message in body["messages"]]


def test_pages_are_of_everything_of_the_flow_or_of_a_thread(rest: Rest) -> None:
    root = say(rest, "root", "1")["id"]
    for number in range(4):
        say(rest, f"aside {number}", f"a{number}", thread=root)
        say(rest, f"plain {number}", f"p{number}")
    say(rest, "both", "b", thread=root, also_in_channel=True)
    assert len(texts(rest, "")) == 10
    plain = ["root", "plain 0", "plain 1", "plain 2", "plain 3", "both"]
    assert texts(rest, "?flow=1") == plain
    assert texts(rest, "?flow=1&limit=2") == plain[-2:]
    assert texts(rest, "?flow=1&before=7&limit=2") == ["plain 0", "plain 1"]
    assert texts(rest, "?flow=1&after=0&limit=2") == ["root", "plain 0"]
    assert texts(rest, "?flow=1&after=3") == plain[2:]
    assert texts(rest, "?flow=1&around=5&limit=2") == ["plain 0", "plain 1"]
    aside = ["aside 0", "aside 1", "aside 2", "aside 3", "both"]
    assert texts(rest, f"?thread={root}") == aside
    assert texts(rest, f"?thread={root}&before=6&limit=1") == ["aside 1"]
    assert texts(rest, f"?thread={root}&after=6") == aside[3:]
    assert rest.get(f"{PATH}/messages?thread={root}&flow=1")[0] == 400
    assert rest.get(f"{PATH}/messages?thread=junk")[0] == 400


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"thread": "junk"}, 400, "invalid"),
        ({"also_in_channel": True}, 400, "invalid"),
        ({"thread": "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69"}, 404, "not_found"),
    ],
)
def test_what_is_no_thread_is_refused(rest: Rest, more: dict[str, Any], status: int, code: str) -> None:
    answer, body = rest.post(f"{PATH}/messages", {"text": "x", "nonce": "n", **more})
    assert (answer, body["error"]["code"]) == (status, code)


def test_ones_threads_are_listed_by_their_newest_reply(rest: Rest) -> None:
    bob = logged_in(register("bob"))
    roots = [say(rest, f"root {number}", f"r{number}")["id"] for number in range(3)]
    for number, root in enumerate([0, 1, 2, 0]):
        say(bob, f"reply {number}", f"n{number}", thread=roots[root])
    listed: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(4):
        body = rest.get(f"/api/v1/me/threads{cursor}")[1]
        listed += body["results"]
        if body["next"] is None:
            break
        cursor = f"?cursor={body['next']}"
    assert [(each["root"]["text"], each["unread"]) for each in listed] == [("root 0", 2), ("root 2", 1), ("root 1", 1)]
    assert listed[0]["root"]["thread_info"]["replies"] == 2
    status, mark = rest.put(f"{PATH}/threads/{roots[0]}/read", {"number": 4})
    assert (status, mark["thread"]) == (200, {"id": roots[0], "read_number": 4, "unread": 1})
    assert rest.put(f"{PATH}/threads/{roots[0]}/read", {"number": 1})[1]["thread"]["read_number"] == 4
    status, body = rest.delete(f"{PATH}/threads/{roots[1]}/follow")
    assert (status, body["is_followed"]) == (200, False)
    assert [each["root"]["text"] for each in rest.get("/api/v1/me/threads")[1]["results"]] == ["root 0", "root 2"]
    status, body = rest.put(f"{PATH}/threads/{roots[1]}/follow")
    assert (status, body["is_followed"], body["unread"]) == (200, True, 1)
    assert rest.get(f"{PATH}/threads/{roots[1]}") == (200, body)
    assert rest.get("/api/v1/me/threads?cursor=1_2")[1]["results"] == []
    assert rest.get("/api/v1/me/threads?cursor=junk")[0] == 400


def test_pages_of_ones_threads_follow_each_other(rest: Rest) -> None:
    for number in range(5):
        say(rest, "reply", f"n{number}", thread=say(rest, "root", f"r{number}")["id"])
    me = selectors.user_ref(User.objects.get(username="ada"))
    found, cursor = [], None
    for _ in range(3):
        page = selectors.my_threads(user=me, cursor=cursor, limit=2)
        found += [each["root"]["number"] for each in page["results"]]
        cursor = page["next"]
    assert cursor is None
    assert found == [9, 7, 5, 3, 1]


def test_who_may_not_read_a_channel_any_more_is_shown_no_thread_of_it(rest: Rest) -> None:
    user = register("bob")
    bob = logged_in(user)
    key = rest.post("/api/v1/channels", {"name": "Ours", "kind": "private"})[1]["key"]
    path = f"/api/v1/channels/{key}"
    ChannelMembership.objects.create(channel=Channel.objects.get(key=key), user=user, role="member")
    root = say(rest, "root", "r", path)["id"]
    say(bob, "reply", "n", path, thread=root)
    assert len(bob.get("/api/v1/me/threads")[1]["results"]) == 1
    assert bob.delete(f"{path}/membership")[0] == 204
    assert bob.get("/api/v1/me/threads")[1]["results"] == []
    assert bob.put(f"{path}/threads/{root}/follow")[0] == 404


def test_whom_one_blocks_in_a_group_takes_part_in_no_thread(rest: Rest) -> None:
    people = {name: register(name) for name in ("bob", "eve")}
    key = rest.post("/api/v1/direct", {"usernames": list(people)})[1]["key"]
    path = f"/api/v1/channels/{key}"
    root = say(rest, "root", "r", path)["id"]
    for name, user in people.items():
        say(logged_in(user), f"by {name}", "n", path, thread=root)
    UserBlock.objects.create(user=User.objects.get(username="ada"), blocked=people["eve"])
    (listed,) = rest.get("/api/v1/me/threads")[1]["results"]
    assert (listed["root"]["thread_info"]["replies"], listed["root"]["thread_info"]["participants"]) == (2, ["bob"])
    shown = rest.get(f"{path}/messages?thread={root}")[1]["messages"]
    assert [(each["text"], each["thread_info"]["participants"]) for each in shown] == [
        ("by bob", ["bob"]),
        (None, ["bob"]),
    ]
