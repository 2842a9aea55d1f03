"""/api/v1/channels/{key}/messages and changes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from accounts.models import User
from chat.domain.events import MessageData
from reaktor.config.model import Limits, Rate
from tests.support.rest import Rest, error_code, logged_in, post, register, set_limits

pytestmark = pytest.mark.django_db
PATH = "/api/v1/channels/general/messages"


@pytest.fixture
def ada() -> User:
    return register("ada")


@pytest.fixture
def rest(ada: User) -> Rest:
    return logged_in(ada)


def numbers(rest: Rest, query: str = "") -> list[int]:
    status, body = rest.get(f"{PATH}{query}")
    assert status == 200, body
    return [message["number"] for message in body["messages"]]


def test_a_message_is_stored_and_shown_as_sent(rest: Rest) -> None:
    text = "  <b>hällo</b> 👋🏽\n"
    status, made = rest.post(PATH, {"text": text, "nonce": "n1"})
    assert status == 201
    absent = {"hidden", "via", "files", "thread", "also_in_channel", "thread_info"}
    assert set(made) == set(MessageData.__annotations__) - absent
    assert (made["text"], made["author"], made["number"], made["seq"]) == (text, "ada", 1, 1)
    assert rest.get(PATH) == (200, {"messages": [made], "has_more": False})


def test_the_same_nonce_again_is_the_same_message_and_no_second_one(rest: Rest) -> None:
    first = rest.post(PATH, {"text": "once", "nonce": "n1"})
    again = rest.post(PATH, {"text": "twice", "nonce": "n1"})
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert numbers(rest) == [1]
    assert logged_in(register("bob")).post(PATH, {"text": "mine", "nonce": "n1"})[0] == 201


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "text"), ({"text": "x"}, 400, "nonce"), ({"text": 1, "nonce": "n"}, 400, "text"),
        ({"text": " \n", "nonce": "n"}, 400, "text"), ({"text": "", "nonce": "n"}, 400, "text"),
        ({"text": "a\x00b", "nonce": "n"}, 400, "text"), ({"text": "x" * 4001, "nonce": "n"}, 413, "text"),
        ({"text": "x", "nonce": ""}, 400, "nonce"), ({"text": "x", "nonce": "n" * 65}, 400, "nonce"),
        ({"text": "x", "nonce": 7}, 400, "nonce"), ({"text": "x", "nonce": "n", "reply_to": 7}, 400, "reply_to"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_not_stored(rest: Rest, body: Any, status: int, field: str) -> None:
    answer = rest.post(PATH, body)
    assert answer[0] == status
    assert field in answer[1]["error"]["fields"]
    assert numbers(rest) == []


def test_four_thousand_characters_are_not_too_many(rest: Rest) -> None:
    assert rest.post(PATH, {"text": "😀" * 4000, "nonce": "n"})[0] == 201


def test_a_reply_names_a_message_of_the_same_channel(rest: Rest, ada: User) -> None:
    first, elsewhere = post(ada, "first"), post(ada, "elsewhere", "random")
    made = rest.post(PATH, {"text": "re", "nonce": "1", "reply_to": first["id"]})[1]
    assert made["reply_to"] == first["id"]
    for number, (wrong, status) in enumerate(((elsewhere["id"], 404), (str(uuid.uuid4()), 404), ("junk", 400))):
        assert rest.post(PATH, {"text": "re", "nonce": f"x{number}", "reply_to": wrong})[0] == status


def test_sending_is_limited_per_user(rest: Rest) -> None:
    set_limits(Limits(send=Rate(2, 10)))
    assert [rest.post(PATH, {"text": "x", "nonce": str(n)})[0] for n in range(3)] == [201, 201, 429]


def test_the_history_is_read_by_number_in_both_directions(rest: Rest, ada: User) -> None:
    for index in range(1, 11):
        post(ada, f"m{index}")
    assert numbers(rest) == list(range(1, 11))
    assert numbers(rest, "?limit=3") == [8, 9, 10]
    assert numbers(rest, "?before=8&limit=3") == [5, 6, 7]
    assert numbers(rest, "?after=8&limit=3") == [9, 10]
    assert numbers(rest, "?around=5&limit=3") == [4, 5, 6]
    assert numbers(rest, "?before=8&after=8&limit=3") == [9, 10]
    assert numbers(rest, "?before=8&after=8&around=5&limit=3") == [4, 5, 6]
    assert numbers(rest, "?after=99") == []
    assert numbers(rest, "?before=0") == []
    assert rest.get(f"{PATH}?before=4&limit=3")[1]["has_more"] is False
    assert rest.get(f"{PATH}?before=5&limit=3")[1]["has_more"] is True


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "limit=-1", "limit=1.0", "before=x", "before=-1", "before=", "after=1e3",
        "around=%C2%B2", "before=99999999999999999999", "limit=%EF%BC%91",
    ],
)  # fmt: skip
def test_a_page_that_makes_no_sense_is_refused(rest: Rest, query: str) -> None:
    status, body = rest.get(f"{PATH}?{query}")
    assert (status, error_code(body)) == (400, "invalid")


def test_changes_tell_each_message_in_its_present_state(rest: Rest, ada: User) -> None:
    first, second = post(ada, "first"), post(ada, "second")
    rest.patch(f"{PATH}/{first['id']}", {"text": "edited"})
    rest.delete(f"{PATH}/{second['id']}")
    status, body = rest.get("/api/v1/channels/general/changes?after=1")
    assert (status, body["seq"]) == (200, 4)
    assert [(each["text"], each["changed_seq"]) for each in body["messages"]] == [("edited", 3), (None, 4)]
    assert rest.get("/api/v1/channels/general/changes?after=4")[1] == {"messages": [], "seq": 4}
    assert rest.get("/api/v1/channels/general/changes?after=5")[1] == {"reset": True, "seq": 4}
    assert rest.get("/api/v1/channels/general/changes")[0] == 400


def test_only_its_author_edits_a_message_and_moderators_may_delete_it(rest: Rest, ada: User) -> None:
    made = post(ada, "mine")
    bob, staff = logged_in(register("bob")), logged_in(register("sue", is_staff=True))
    path = f"{PATH}/{made['id']}"
    assert bob.patch(path, {"text": "not mine"})[0] == 403
    assert staff.patch(path, {"text": "not mine"})[0] == 403
    assert bob.delete(path)[0] == 403
    status, edited = rest.patch(path, {"text": "still mine @bob"})
    assert (status, edited["text"], edited["mentions"]) == (200, "still mine @bob", ["bob"])
    assert edited["edited_at"]
    assert rest.patch(path, {"text": "still mine @bob"})[1] == edited
    status, deleted = staff.delete(path)
    assert (status, deleted["text"], deleted["number"], deleted["reactions"]) == (200, None, 1, {})
    assert staff.delete(path) == (200, deleted)
    assert rest.patch(path, {"text": "back?"})[0] == 409
    assert numbers(rest) == [1]


def test_a_reaction_counts_once_per_user_and_emoji(rest: Rest, ada: User) -> None:
    made = post(ada, "like me")
    path = f"{PATH}/{made['id']}/reactions/%F0%9F%91%8D"
    bob = logged_in(register("bob"))
    assert rest.put(path)[1]["reactions"] == {"👍": ["ada"]}
    both = bob.put(path)
    assert both[1]["reactions"] == {"👍": ["ada", "bob"]}
    assert bob.put(path) == both
    assert bob.delete(path)[1]["reactions"] == {"👍": ["ada"]}
    assert rest.put(f"{PATH}/{made['id']}/reactions/{'x' * 33}")[0] == 404
    assert rest.put(f"{PATH}/{made['id']}/reactions/a%20b")[0] == 404


@pytest.mark.parametrize("message_id", ["x", "271d893b-d816-4ddd-b9b2-6676f193f35a", "%00", "0" * 32, "..%2F.."])
def test_a_message_that_is_not_there_is_not_found(rest: Rest, message_id: str) -> None:
    assert rest.patch(f"{PATH}/{message_id}", {"text": "x"})[0] == 404
    assert rest.delete(f"{PATH}/{message_id}")[0] == 404
    assert rest.put(f"{PATH}/{message_id}/reactions/y")[0] == 404


def test_a_message_is_found_in_its_own_channel_only(rest: Rest, ada: User) -> None:
    made = post(ada, "here")
    assert rest.delete(f"/api/v1/channels/random/messages/{made['id']}")[0] == 404


def test_a_page_asks_the_same_number_of_questions_however_long(
    rest: Rest, ada: User, django_assert_num_queries: Any
) -> None:
    for index in range(30):
        post(ada, f"hello @ada {index}")
    with django_assert_num_queries(4):
        numbers(rest, "?limit=25")
