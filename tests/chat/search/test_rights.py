"""In whatever world: a search finds nothing that message.list would not show its user, however far behind the index is;
and all of it in the channels that they belong to, once the index has come.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import selectors, services
from chat.domain.hiding import messages_seen
from chat.domain.ids import ChannelKey, UserRef
from chat.search.finding import messages_search
from chat.search.indexing import index_now
from reaktor.errors import ReaktorError
from tests.chat.search.conftest import found, post
from tests.support.databases import user_ref

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PEOPLE = 3
_numbers = itertools.count(1)


class World:
    """Three people and a moderator of all, a channel of each kind, and what was said in them."""

    def __init__(self) -> None:
        self.people = [user_ref(f"p{number}-{next(_numbers)}") for number in range(PEOPLE)]
        self.staff = user_ref(f"staff-{next(_numbers)}", is_staff=True)
        kinds = ("public", "unlisted", "private")
        self.keys = [services.channel_create(user=self.people[0], name=kind, kind=kind).channel.key for kind in kinds]
        names = [person.username for person in self.people]
        self.keys.append(services.direct_open(user=self.people[0], username=names[1])[0].channel.key)
        self.keys.append(services.group_open(user=self.people[0], usernames=names[1:])[0].channel.key)
        self.said: list[tuple[int, ChannelKey, str]] = []

    def do(self, what: str, who: int, whom: int, where: int) -> None:
        user, name, key = self.people[who], self.people[whom].username, self.keys[where]
        said = next((each for each in self.said if each[0] == who and each[1] == key), None)
        deeds: dict[str, Callable[[], Any]] = {
            "post": lambda: self._post(who, key),
            "edit": lambda: (
                said
                and services.message_edit(
                    user=user, key=key, message_id=said[2], text=f"tea again {next(_numbers)}", max_chars=100
                )
            ),
            "delete": lambda: said and services.message_delete(user=user, key=key, message_id=said[2]),
            "join": lambda: services.membership_join(user=user, key=key),
            "leave": lambda: services.membership_leave(user=user, key=key),
            "let in": lambda: services.role_set(user=self.staff, key=key, username=name, role="member"),
            "kick": lambda: services.sanction_issue(user=self.staff, kind="kick", username=name, channel=key),
            "ban": lambda: services.sanction_issue(user=self.staff, kind="ban", username=name, channel=key),
            "lift": lambda: services.sanction_lift_all(user=self.staff, username=name, channel=key),
            "block": lambda: services.user_block(user=user, username=name),
            "unblock": lambda: services.user_unblock(user=user, username=name),
            "archive": lambda: services.channel_archive(user=self.staff, key=key),
            "reply": lambda: said and self._post(who, key, thread=said[2]),
            "purge": lambda: services.messages_purge(user=self.staff, username=name, hours=1, channel=key),
            "purge everywhere": lambda: services.messages_purge(user=self.staff, username=name, hours=1),
            "ban everywhere": lambda: services.sanction_issue(user=self.staff, kind="ban", username=name),
            "unban everywhere": lambda: services.sanction_lift_all(user=self.staff, username=name),
            "index": index_now,
        }
        with contextlib.suppress(ReaktorError):
            deeds[what]()

    def _post(self, who: int, key: ChannelKey, **more: Any) -> None:
        with contextlib.suppress(AssertionError):  # refused
            (message,) = post(self.people[who], key, f"tea {next(_numbers)}", **more)
            self.said.append((who, key, message))

    def readable(self, user: UserRef, key: ChannelKey) -> set[str] | None:
        """What message.list shows there; None: nothing, not even that it is there."""
        try:
            channel = selectors.channel_access(user=user, key=key).channel
        except ReaktorError:
            return None
        page = selectors.messages_page(channel.id, limit=100)
        seen = messages_seen(page.messages, selectors.hidden_names(user.id, key))
        return {each["text"] for each in seen if each["text"]}

    def check(self, *, is_indexed: bool) -> None:
        for user in [*self.people, self.staff]:
            mine = {each.channel.key for each in selectors.channels_access(user=user)}
            shown = {key: self.readable(user, key) for key in self.keys}
            belongs = {text for key in mine for text in shown.get(key) or ()}
            texts = set(found(user, "tea"))
            assert texts <= belongs
            assert texts == belongs or not is_indexed
            for key, readable in shown.items():
                if readable is None:
                    with pytest.raises(ReaktorError):
                        messages_search(user=user, q="tea", filters={"channel": key})
                    continue
                texts = set(found(user, "tea", channel=key))
                assert texts <= readable
                assert texts == readable or not is_indexed


DEEDS = ["post", "post", "post", "edit", "delete", "join", "leave", "let in", "kick", "ban", "lift", "block", "unblock",
         "archive", "index", "reply", "purge", "purge everywhere", "ban everywhere", "unban everywhere"]  # fmt: skip
deeds = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1), st.integers(0, 4)),
    min_size=5,
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds)
def test_a_search_shows_what_its_user_may_read_and_no_more(done: list[tuple[str, int, int, int]]) -> None:
    with transaction.atomic():
        world = World()
        for key, person in itertools.product(world.keys, range(PEOPLE)):
            world.do("join", person, person, world.keys.index(key))
            world.do("post", person, person, world.keys.index(key))
        index_now()
        for deed in done:
            world.do(*deed)
        world.check(is_indexed=False)
        index_now()
        world.check(is_indexed=True)
        transaction.set_rollback(True)


def test_of_a_group_the_words_of_whom_one_blocks_are_not_found() -> None:
    world = World()
    ann, bob, _ = world.people
    group = world.keys[4]
    post(bob, group, "secret tea")
    index_now()
    assert found(ann, "tea") == ["secret tea"]
    services.user_block(user=ann, username=bob.username)
    assert found(ann, "tea") == []
    assert found(ann, "", author=bob.username, channel=group) == []
    assert found(world.people[2], "tea") == ["secret tea"]
