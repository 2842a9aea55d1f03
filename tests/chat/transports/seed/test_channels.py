"""The seed contract's channels, beyond what the captures show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from django.apps import apps

from accounts import services as accounts
from accounts.models import User
from chat import services
from chat.models import Channel, ChannelMembership
from chat.selectors import user_ref
from reaktor.config.model import Limits, Rate
from tests.support.rest import PASSWORD, Rest, live, post, register, set_limits

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return register("bob")


@pytest.fixture
def rest(bob: User) -> Rest:
    return seed_client(bob)


def seed_client(user: User) -> Rest:
    """As the original's web client writes its header: with a colon."""
    rest = Rest()
    rest.headers = {"Authorization": f"Bearer: {accounts.seed_token_issue(user)[0]}"}
    return rest


def texts(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [orjson.loads(string)["message"] for string in answer[1]["messages"]]


def test_public_channels_are_listed_the_three_first_ones_first_and_others_never(rest: Rest, bob: User) -> None:
    me = user_ref(bob)
    for name, kind in (("Later", "public"), ("Hidden", "unlisted"), ("Latest", "public")):
        services.channel_create(user=me, name=name, kind=kind)
    services.channel_archive(user=me, key=services.channel_create(user=me, name="Over").channel.key)
    Channel.objects.create(key="prv-x", name="Secret", kind="private")
    with live(general=[("ada", "online"), ("bob", "away")]):
        body = rest.get("/channels/")[1]
    assert [each["name"] for each in body["channels"]] == ["General", "Programming", "Random", "Later", "Latest"]
    assert [each["onlineCount"] for each in body["channels"]] == [2, 0, 0, 0, 0]
    assert set(body["channels"][0]) == {"name", "key", "onlineCount"}


def test_a_list_without_pages_ends(rest: Rest, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 channels took 14 ms, and the oldest 5,000 hid every new one."""
    app = apps.get_app_config("chat")
    monkeypatch.setattr(app, "config", replace(app.config, limits=Limits(seed_channels=2)))
    for name in ("One", "Two", "Three"):
        services.channel_create(user=user_ref(bob), name=name)
    listed = [each["name"] for each in rest.get("/channels")[1]["channels"]]
    assert listed == ["General", "Programming", "Random", "Two", "Three"]


def test_a_list_without_pages_counts_for_five(rest: Rest) -> None:
    """One user had ten lists a second of 5,000 names each made for them: others' posts took ten times as long."""
    set_limits(Limits(lists=Rate(10, 3600)))
    assert [rest.get("/channels")[0] for _ in range(3)] == [200, 200, 429]


def test_a_created_channel_has_the_count_that_clients_read(rest: Rest) -> None:
    status, body = rest.post("/channels", {"name": " My channel "})
    assert status == 201
    assert body == {"name": "My channel", "key": body["key"], "onlineUsers": 0, "onlineCount": 0}
    assert len(body["key"]) == 43


def test_joining_acts_on_the_live_sessions_and_shows_everybody_with_their_real_status(rest: Rest, bob: User) -> None:
    with live(general=[("ada", "away"), ("bob", "online")]) as runtime:
        status, body = rest.post("/channels/general/join")
    assert runtime.joined == [(str(bob.pk), "general")]
    assert body["onlineUsers"] == [{"username": "bob", "status": "online"}, {"username": "ada", "status": "away"}]
    assert (status, body["key"], body["messages"]) == (200, "general", [])


def test_who_joins_without_a_session_is_shown_all_the_same(rest: Rest) -> None:
    with live(general=[("ada", "online")]):
        assert {"username": "bob", "status": "online"} in rest.post("/channels/general/join")[1]["onlineUsers"]


def test_joining_shows_a_thousand_members_and_the_caller_before_all_others(rest: Rest) -> None:
    """The answer named everybody, and each join of a channel of 10,000 was 400 KB."""
    others = [(f"user{number}", "online") for number in range(1_500)]
    with live(general=[*others, ("bob", "away")]):
        shown = rest.post("/channels/general/join")[1]["onlineUsers"]
    assert shown[:2] == [{"username": "bob", "status": "away"}, {"username": "user0", "status": "online"}]
    assert len(shown) == 1_000


def test_joining_answers_with_the_newest_twenty_five_oldest_first_as_json_strings(rest: Rest, bob: User) -> None:
    for index in range(30):
        made = post(bob, f"m{index}\n")
    answer = rest.post("/channels/general/join/")
    assert texts(answer) == [f"m{index}\n" for index in range(5, 30)]
    assert orjson.loads(answer[1]["messages"][-1]) == {
        "message": "m29\n", "user": "bob", "date": made["created_at"],
        "id": made["id"], "seq": made["seq"], "channel": "general",
    }  # fmt: skip


def test_an_unknown_key_makes_an_unlisted_channel_that_others_find_by_it(rest: Rest) -> None:
    assert rest.post("/channels/k3x9q/join")[0] == 200
    assert Channel.objects.get(key="k3x9q").kind == "unlisted"
    assert seed_client(register("ada")).post("/channels/k3x9q/join")[0] == 200
    assert "k3x9q" not in str(rest.get("/channels"))


@pytest.mark.parametrize(
    "key", ["a.b", "a%20b", "%00", "%F0%9F%98%80", "x" * 65, "dm-1", "prv-1", "a/b", "general%0A", "..%2Fx"]
)
def test_a_key_that_nobody_may_choose_is_a_bad_request(rest: Rest, key: str) -> None:
    before = Channel.objects.count()
    for method, path in (("POST", f"/channels/{key}/join"), ("GET", f"/channels/{key}/messages?start=0&end=1")):
        status, body = rest(method, path)
        assert (status, body["code"]) == (400, "invalid")
    assert Channel.objects.count() == before


@pytest.mark.parametrize("key", ["constructor", "__proto__", "toString", "0", "-", "_"])
def test_odd_but_well_formed_keys_are_keys(rest: Rest, key: str) -> None:
    assert rest.post(f"/channels/{key}/join")[1]["key"] == key


def test_a_private_channel_is_joined_by_its_members_and_does_not_exist_for_others(rest: Rest, bob: User) -> None:
    secret = Channel.objects.create(key="prv-x", name="Secret", kind="private")
    ada = register("ada")
    ChannelMembership.objects.create(channel=secret, user=ada)
    post(ada, "psst", "prv-x")
    unknown = rest.post("/channels/prv-nothing/join")
    assert rest.post("/channels/prv-x/join") == unknown
    assert rest.get("/channels/prv-x/messages?start=0&end=9")[1] == unknown[1]
    ChannelMembership.objects.create(channel=secret, user=bob)
    assert texts(rest.post("/channels/prv-x/join")) == ["psst"]
    assert texts(rest.get("/channels/prv-x/messages?start=0&end=9")) == ["psst"]


def test_making_channels_by_joining_counts_against_the_limit_and_joining_those_that_exist_does_not(rest: Rest) -> None:
    set_limits(Limits(create_channel=Rate(2, 3600)))
    assert rest.post("/channels", {"name": "one"})[0] == 201
    assert rest.post("/channels/two/join")[0] == 200
    response = rest.send("POST", "/channels/three/join")
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert int(response["Retry-After"]) > 0
    assert {rest.post("/channels/two/join")[0] for _ in range(3)} == {200}


def test_pages_counted_from_the_newest_show_each_message_once(rest: Rest, bob: User) -> None:
    for index in range(1, 61):
        post(bob, f"m{index}")
    pages = [texts(rest.get(f"/channels/general/messages?start={start}&end={start + 25}")) for start in (0, 25, 50)]
    assert [len(page) for page in pages] == [25, 25, 10]
    assert pages[2] + pages[1] + pages[0] == [f"m{index}" for index in range(1, 61)]
    assert texts(rest.get("/channels/general/messages?start=0&end=1")) == ["m60"]
    assert texts(rest.get("/channels/general/messages?start=59&end=99")) == ["m1"]
    for query in ("start=60&end=85", "start=5&end=5", "start=9&end=3", "start=999999999999999&end=999999999999999"):
        assert texts(rest.get(f"/channels/general/messages?{query}")) == []


def test_an_answer_has_at_most_a_hundred_messages(rest: Rest, bob: User) -> None:
    for index in range(1, 106):
        post(bob, f"m{index}")
    assert texts(rest.get("/channels/general/messages?start=0&end=5000")) == [f"m{index}" for index in range(6, 106)]
    assert len(texts(rest.get("/channels/general/messages?start=2&end=5000"))) == 100


def test_who_knows_no_threads_reads_all_in_one_row(rest: Rest, bob: User) -> None:
    root = post(bob, "tea?")
    services.message_post(user=user_ref(bob), key="general", text="green", nonce="1", thread=root["id"], max_chars=99)
    post(bob, "coffee?")
    assert texts(rest.get("/channels/general/messages?start=0&end=25")) == ["tea?", "green", "coffee?"]
    assert texts(rest.post("/channels/general/join")) == ["tea?", "green", "coffee?"]


def test_a_deleted_message_keeps_its_place(rest: Rest, bob: User) -> None:
    first = [post(bob, f"m{index}") for index in range(3)][1]
    services.message_delete(user=user_ref(bob), key="general", message_id=first["id"])
    assert texts(rest.get("/channels/general/messages?start=0&end=3")) == ["m0", "(deleted)", "m2"]
    assert texts(rest.post("/channels/general/join")) == ["m0", "(deleted)", "m2"]


def test_a_channel_nobody_made_has_no_messages_and_reading_does_not_make_it(rest: Rest) -> None:
    assert rest.get("/channels/nokey/messages?start=0&end=25") == (200, {"messages": []})
    assert not Channel.objects.filter(key="nokey").exists()


@pytest.mark.parametrize("query", ["start=-1&end=5", "start=0&end=-1", "start=%D9%A1&end=5", "start=0&end=+5"])
def test_positions_are_digits(rest: Rest, query: str) -> None:
    status, body = rest.get(f"/channels/general/messages?{query}")
    assert (status, body["code"]) == (400, "invalid")


def test_a_banned_account_is_told_so_wherever_it_knocks(rest: Rest, bob: User) -> None:
    accounts.user_disable(bob)
    for answer in (
        rest.get("/channels"),
        rest.post("/channels/general/join"),
        rest.post("/auth/login", {"name": "bob", "password": PASSWORD}),
    ):
        assert (answer[0], answer[1]["code"]) == (403, "banned")
    assert rest.post("/auth/login", {"name": "bob", "password": "wrong"})[0] == 401


def test_a_token_dies_when_the_password_changes(rest: Rest, bob: User) -> None:
    accounts.password_change(bob, PASSWORD, "another fine 9")
    assert rest.get("/channels") == (401, {"error": "Token is not valid", "code": "not_authenticated"})


def test_logging_in_too_often_says_when_to_come_back(bob: User) -> None:
    set_limits(Limits(login=Rate(1, 60)))
    fields = {"name": "bob", "password": PASSWORD}
    assert Rest().post("/auth/login", fields)[0] == 200
    response = Rest().send("POST", "/auth/login", fields)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert set(response.json()) == {"error", "code"}


def test_a_name_of_more_than_thirty_two_letters_is_too_long() -> None:
    status, body = Rest().post("/auth/register", {"name": "a" * 5000, "password": "secret1"})
    assert (status, body["error"]) == (400, "The name is too long. (max 32. characters)")


def test_an_access_token_of_the_other_interface_works_here_too(bob: User) -> None:
    assert Rest(accounts.tokens_issue(bob)["access"]).get("/channels")[0] == 200


def test_the_list_and_a_join_ask_a_fixed_number_of_questions(
    rest: Rest, bob: User, django_assert_max_num_queries: Any
) -> None:
    for index in range(30):
        post(bob, f"m{index} @bob")
    with django_assert_max_num_queries(2):
        rest.get("/channels")
    with django_assert_max_num_queries(4):
        rest.post("/channels/general/join")
