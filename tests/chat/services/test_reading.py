"""Unread counts in the database: after any sequence of what moves them they are what a recount finds.

Of mentions and calls the recount is of the test's own notes: who was named or called when it was said.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from chat import retention, selectors, services
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.models import Channel, ChannelMembership, Message, Thread, ThreadFollow, UserBlock
from chat.posting.batches import Post, Stored, store_batch
from tests.support.databases import channel_of, user_ref

pytestmark = pytest.mark.django_db


TEXTS = {
    "hi": (set(), None),
    "@bob look": ({"bob"}, None),
    "@channel all": (set(), "channel"),
    "@here now, @eve": ({"eve"}, "here"),
    "@here you": (set(), "here"),
    "mail me at x@here": (set(), None),
}
"""Whom each names, and the word by which it calls."""


@dataclass
class Said:
    """What was said, and who was meant by it then: whom it names; whose memberships it calls."""

    number: int
    author: UserId
    named: set[str]
    word: str | None
    called: set[int]


class Room:
    """A channel with three members and a passer-by, to whom anything may happen."""

    def __init__(self, chance: random.Random, *, has_threads: bool) -> None:
        self.chance = chance
        self.has_threads = has_threads
        self.people = [user_ref(name) for name in ("ann", "bob", "eve", "kim")]
        self.key = channel_of(self.people[0], "tea")
        self.channel = Channel.objects.get(key=self.key)
        for user in self.people[1:3]:
            services.membership_join(user=user, key=self.key)
        self.said: dict[str, Said] = {}

    def post(self) -> None:
        """Several of one commit, in any order of authors; one may be sent twice."""
        posts = [
            Post(
                self.chance.choice(self.people),
                self.key,
                self.some_text,
                uuid.uuid4().hex,
                present=self.some_people,
                **self.thread(),
            )
            for _ in range(self.chance.randint(1, 4))
        ]
        if self.chance.random() < 0.3:
            posts.append(self.chance.choice(posts))
        results = store_batch(posts)
        assert all(isinstance(result, Stored) for result in results)
        last = {}
        for post, result in zip(posts, results, strict=True):
            if isinstance(result, Stored) and not result.is_duplicate:
                self.note(post, result)
                last[post.author.username] = result.marker
        for user in self.people:
            if last.get(user.username) is not None and user is not self.people[3]:
                access = selectors.channel_access(user=user, key=self.key)
                assert access.access.role is None or last[user.username] == access.marker

    def thread(self) -> dict[str, Any]:
        """Of a post: one in three is in a thread, and one in three of those in the channel, too."""
        if self.has_threads and self.chance.random() < 0.4:
            threads = Message.objects.filter(channel=self.channel, thread_id=None, deleted_at=None)
            if (root := self.any_of(threads)) is not None:
                return {"thread": str(root.pk), "also_in_channel": self.chance.random() < 0.3}
        return {}

    def any_of(self, messages: Any) -> Message | None:
        found = list(messages.order_by("number"))
        return self.chance.choice(found) if found else None

    def read_thread(self) -> None:
        root = self.any_of(Message.objects.filter(channel=self.channel, thread_id=None))
        if root is not None:
            user = self.chance.choice(self.people)
            number = self.chance.randint(0, self.head)
            told = services.thread_read(user=user, key=self.key, thread=str(root.pk), number=number)
            above = Message.objects.filter(thread_id=root.pk, number__gt=told["thread"]["read_number"], deleted_at=None)
            assert told["thread"]["unread"] == above.exclude(author_id=user.id).count()

    @property
    def some_text(self) -> str:
        return self.chance.choice(list(TEXTS))

    @property
    def some_people(self) -> frozenset[UserId]:
        return frozenset(user.id for user in self.people if self.chance.random() < 0.6)

    def blockers(self, author: UserId) -> set[str]:
        return {str(pk) for pk in UserBlock.objects.filter(blocked_id=author).values_list("user_id", flat=True)}

    def named(self, text: str, author: UserId) -> set[str]:
        names = {user.id for user in self.people if user.username in TEXTS[text][0]}
        return names - {author} - self.blockers(author)

    def note(self, post: Post, stored: Stored) -> None:
        word = TEXTS[post.text][1] if post.thread is None or post.also_in_channel else None
        called = set()
        for member in ChannelMembership.objects.filter(channel=self.channel).exclude(level="nothing"):
            is_present = word == "channel" or str(member.user_id) in (post.present or ())
            is_deaf = str(member.user_id) in self.blockers(post.author.id)
            if word and is_present and not is_deaf and str(member.user_id) != post.author.id:
                called.add(member.pk)
        message = stored.message
        expected = word if called else None
        assert (stored.called.word.value if stored.called else None) == expected
        assert message["mentions"][-1:] == ([expected] if expected else message["mentions"][-1:])
        # Who is at `nothing` now may be told of @channel when they are not any more.
        if expected == "channel":
            deaf = self.blockers(post.author.id) | {post.author.id}
            members = ChannelMembership.objects.filter(channel=self.channel).exclude(user_id__in=deaf)
            called = set(members.values_list("pk", flat=True))
        named = self.named(post.text, post.author.id)
        self.said[message["id"]] = Said(message["number"], post.author.id, named, expected, called)

    def edit(self) -> None:
        if not (found := [pk for pk in self.said if Message.objects.filter(pk=pk, deleted_at=None).exists()]):
            return
        pk, text = self.chance.choice(found), self.some_text
        author = next(user for user in self.people if user.id == self.said[pk].author)
        if Message.objects.get(pk=pk).text != text:
            services.message_edit(user=author, key=self.key, message_id=pk, text=text, max_chars=100)
            self.said[pk].named = self.named(text, author.id)
            if TEXTS[text][1] != self.said[pk].word:
                self.said[pk].word, self.said[pk].called = None, set()

    def hear(self) -> None:
        """Somebody wants to be told less, or more."""
        user = self.chance.choice(self.people[:3])
        if ChannelMembership.objects.filter(channel=self.channel, user_id=user.id).exists():
            services.level_set(user=user, key=self.key, level=self.chance.choice(["nothing", "mentions", "all"]))

    def block(self) -> None:
        user, other = self.chance.sample(self.people[:3], 2)
        act = services.user_unblock if UserBlock.objects.filter(user_id=user.id).exists() else services.user_block
        act(user=user, username=other.username)

    def read(self) -> None:
        user, head = self.chance.choice(self.people), self.head
        number, is_back = self.chance.randint(0, head + 2), self.chance.random() < 0.3
        before = selectors.channel_access(user=user, key=self.key)
        told = services.read_mark(user=user, key=self.key, number=number, is_back=is_back)
        now = selectors.channel_access(user=user, key=self.key)
        assert told == selectors.read_data(now.marker, now.channel.head, now.mentions) or before.access.role is None
        if before.access.role is not None and (is_back or min(number, head) > before.marker.at.number):
            oldest = next((each for each in self.kept() if not self.is_kept(each)), None)
            floor = 0 if not is_back else head if oldest is None else oldest.number - 1
            assert now.marker.at.number == max(min(number, head), floor)
            assert now.marker.rev == before.marker.rev + 1
        else:
            assert now.marker == before.marker

    def delete(self) -> None:
        if (found := self.any_of(Message.objects.filter(channel=self.channel, deleted_at=None))) is not None:
            services.message_delete(user=self.people[0], key=self.key, message_id=str(found.pk))

    def kept(self) -> list[Message]:
        return list(Message.objects.filter(channel=self.channel).order_by("number"))

    def is_kept(self, message: Message) -> bool:
        """Whether it may be there for its replies alone."""
        return message.deleted_at is not None and Thread.objects.filter(pk=message.pk).exists()

    def expire(self) -> None:
        kept = self.chance.randint(1, 10)
        found = retention.retention_find(days=0, messages=kept, now=self.channel.created_at, key=self.key)
        retention.retention_apply(found, rest=lambda seconds: None)

    def come_and_go(self) -> None:
        user = self.chance.choice(self.people[1:3])
        if ChannelMembership.objects.filter(channel=self.channel, user_id=user.id).exists():
            services.membership_leave(user=user, key=self.key)
        else:
            services.membership_join(user=user, key=self.key)

    @property
    def head(self) -> int:
        return Channel.objects.get(pk=self.channel.pk).number

    def recount(self) -> None:
        """What is unread is what others said above the marker; and each list of channels says the same."""
        for user in self.people[:3]:
            shown = selectors.channel_data(selectors.channel_access(user=user, key=self.key), online=0)
            if shown["role"] is None:
                assert shown["unread"] == 0
                continue
            above = Message.objects.filter(channel=self.channel, number__gt=shown["read_number"], is_aside=None)
            assert shown["own"] == above.filter(author_id=user.id).count()
            assert shown["unread"] == above.exclude(author_id=user.id).count()
            assert shown["unread"] == shown["flow"] - shown["read_flow"] - shown["own"]
            assert shown["mentions"] == self.mentions(user, shown["read_number"])
            (read,) = [each for each in selectors.reads_of([user.id])[user.id] if each.channel == self.key]
            assert read.data["mentions"] == shown["mentions"]
        for thread in Thread.objects.filter(channel=self.channel):
            replies = Message.objects.filter(thread_id=thread.pk)
            assert replies.exists() or Message.objects.filter(pk=thread.pk, deleted_at=None).exists()
            there = list(replies.filter(deleted_at=None).order_by("number"))
            assert thread.replies == len(there)
            assert {*thread.participants.split()} == {str(each.author_id) for each in there}
            assert not there or (thread.last_number, thread.active_at) == (there[-1].number, there[-1].created_at)

    def mentions(self, user: UserRef, above: int) -> int:
        """What names or calls them above the marker; of what a thread alone shows, above where they have read that."""
        member = ChannelMembership.objects.get(channel=self.channel, user_id=user.id)
        left = {str(each.pk): each for each in Message.objects.filter(channel=self.channel, deleted_at=None)}
        read = dict(ThreadFollow.objects.filter(user_id=user.id).values_list("thread_id", "read_number"))
        return sum(
            user.id in said.named or (member.pk in said.called and member.level != "nothing")
            for pk, said in self.said.items()
            if pk in left and said.number > (read.get(left[pk].thread_id, 0) if left[pk].is_aside else above)
        )


@pytest.mark.parametrize("seed", range(12))
def test_what_is_counted_on_the_way_is_what_a_recount_finds(seed: int) -> None:
    chance = random.Random(seed)
    room = Room(chance, has_threads=seed % 3 > 0)
    deeds = [room.post, room.post, room.post, room.read, room.read, room.delete, room.expire, room.come_and_go]
    deeds += [room.edit, room.hear, room.block]
    if room.has_threads:
        deeds += [room.read_thread]
    for _ in range(40):
        chance.choice(deeds)()
        room.recount()


def test_a_marker_that_an_older_release_moved_is_taken_as_it_stands() -> None:
    """It moves the marker alone, and knows nothing of the own messages that were counted above it."""
    ann, bob = user_ref("ann"), user_ref("bob")
    key: ChannelKey = channel_of(ann, "tea")
    for author in (bob, ann, bob, ann):
        store_batch([Post(author, key, "hi", uuid.uuid4().hex)])
    assert unread(ann, key) == 2
    ChannelMembership.objects.filter(user_id=ann.id).update(read_number=3)
    assert unread(ann, key) == 1  # at most one's own are counted, until the marker is moved
    services.read_mark(user=ann, key=key, number=2, is_back=True)
    assert unread(ann, key) == 1


def unread(user: UserRef, key: ChannelKey) -> int:
    return selectors.channel_data(selectors.channel_access(user=user, key=key), online=0)["unread"]
