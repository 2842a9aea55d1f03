"""The threads that the posts of one commit go to: read at once under the locks of their channels, then stored.

Made by chat.posting.batches, and only where somebody answers in a thread: no other post pays for it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import connection
from django.db.models import F

from accounts.models import User
from chat.domain.events import ThreadInfoData
from chat.domain.ids import UserId, UserRef
from chat.domain.policies import ChannelKind
from chat.domain.threads import FOLLOWERS_TOLD, Root, reply_refusal
from chat.models import PARTICIPANTS, Channel, Mention, Message, Thread, ThreadFollow
from chat.posting.statements import LockedChannel, MessageRow
from chat.selectors import parse_message_id
from reaktor.db import driver
from reaktor.db.columns import uuid_text, uuid_to_column
from reaktor.errors import NotFoundError, ReaktorError
from reaktor.times import timestamp

_CLOSED = ", ".join(f"'{kind.value}'" for kind in ChannelKind if kind.is_closed)
_UPSERTED = ("seq", "replies", "last_number", "active_at", "participants")


@dataclass(slots=True)
class _Thread:
    """One thread as it is after the posts that were taken. `participants`: ids and names, at most PARTICIPANTS."""

    root: Root
    row: Thread
    author_id: str
    is_first: bool
    """There is no reply in it yet."""
    participants: dict[str, str]
    by_author: Counter[str] = field(default_factory=Counter)
    mentioned: set[str] = field(default_factory=set)

    @property
    def data(self) -> ThreadInfoData:
        return {
            "number": self.row.root_number,
            "seq": self.row.seq,
            "replies": self.row.replies,
            "last_reply_at": timestamp(self.row.active_at),
            "participants": list(self.participants.values()),
        }


class Threads:
    """refusal(), then posted() for each reply that is taken, then store()."""

    def __init__(self, wanted: Iterable[str], channels: Iterable[LockedChannel]) -> None:
        """`wanted`: the roots' ids, as clients wrote them."""
        self._ids: dict[str, uuid.UUID] = {}
        for text in wanted:
            try:
                self._ids[text] = parse_message_id(text)
            except NotFoundError:
                continue
        found = Channel.objects.filter(pk__in=[channel.id for channel in channels])
        self._channels = {pk: (has, since) for pk, has, since in found.values_list("id", "has_threads", "aside_from")}
        self._threads = _threads_find(set(self._ids.values()))
        self._started: dict[int, int] = {}

    def root_of(self, thread: str) -> uuid.UUID:
        """The root's id, of a thread that was not refused."""
        return self._ids[thread]

    def refusal(self, thread: str, channel: LockedChannel) -> ReaktorError | None:
        """Why nobody may answer in that thread of that channel."""
        known = self._threads.get(self._ids[thread]) if thread in self._ids else None
        root = None if known is None else known.root._replace(replies=known.row.replies)
        return reply_refusal(root, channel.id, has_threads=self._channels[channel.id][0])

    def posted(self, row: MessageRow, author: UserRef, mentioned: Iterable[UserRef]) -> ThreadInfoData:
        """The reply is taken: what its thread is now."""
        assert row.thread_id is not None  # noqa: S101  it is a reply
        thread = self._threads[row.thread_id]
        thread.row.seq = row.seq
        thread.row.replies += 1
        thread.row.last_number, thread.row.active_at = row.number, row.created_at
        thread.by_author[author.id] += 1
        thread.mentioned.update(user.id for user in mentioned)
        if author.id not in thread.participants and len(thread.participants) < PARTICIPANTS:
            thread.participants[author.id] = author.username
        if row.is_aside and self._channels[row.channel_id][1] is None:
            self._started.setdefault(row.channel_id, row.number)
        return thread.data

    def store(self) -> dict[str, list[UserId]]:
        """Store what has changed. By the root's id: some of those who follow the thread and may read it."""
        changed = [thread for thread in self._threads.values() if thread.by_author]
        for thread in changed:
            thread.row.participants = " ".join(thread.participants)
        Thread.objects.bulk_create(
            [thread.row for thread in changed],
            update_conflicts=True,
            unique_fields=["root_id"],
            update_fields=list(_UPSERTED),
        )
        for channel_id, number in self._started.items():
            Channel.objects.filter(pk=channel_id).update(aside_from=number)
        self._store_follows(changed)
        return _followers([thread.row for thread in changed])

    def _store_follows(self, changed: Sequence[_Thread]) -> None:
        """Who posts follows from then on; others are asked nothing where they have said what they want."""
        named = _named_in({thread.row.root_id for thread in changed if thread.is_first})
        wanted = {
            thread.row.root_id: {
                thread.author_id, *thread.by_author, *thread.mentioned, *named.get(thread.row.root_id, ())
            }
            for thread in changed
        }  # fmt: skip
        follows_begin(wanted, undecided=[each.row.root_id for each in changed if each.is_first or each.mentioned])
        for thread in changed:
            by_count: dict[int, list[uuid.UUID]] = {}
            for user, count in thread.by_author.items():
                by_count.setdefault(count, []).append(uuid.UUID(user))
            for count, users in by_count.items():
                theirs = ThreadFollow.objects.filter(thread_id=thread.row.root_id, user_id__in=users)
                theirs.update(is_on=True, replies=F("replies") + count)


def follows_begin(users: Mapping[uuid.UUID, Iterable[str]], *, undecided: Iterable[uuid.UUID]) -> None:
    """By thread, who follows it from now on; whoever has said what they want is asked nothing.

    `undecided`: the threads that some of them may have read without saying anything.
    """
    ThreadFollow.objects.bulk_create(
        [
            ThreadFollow(thread_id=root, user_id=uuid.UUID(user), is_on=True)
            for root, some in users.items()
            for user in sorted(some)
        ],
        ignore_conflicts=True,
    )
    for root in undecided:
        ThreadFollow.objects.filter(thread_id=root, user_id__in=list(users[root]), is_on=None).update(is_on=True)


def _threads_find(ids: set[uuid.UUID]) -> dict[uuid.UUID, _Thread]:
    """By their roots' ids, for messages that exist."""
    rows = {row.root_id: row for row in Thread.objects.filter(pk__in=ids)}
    people = {user for row in rows.values() for user in row.participants.split()}
    names = dict(User.objects.filter(pk__in=people).values_list("pk", "username")) if people else {}
    found: dict[uuid.UUID, _Thread] = {}
    fields = ("id", "channel_id", "author_id", "number", "thread_id", "deleted_at", "created_at", "changed_seq")
    for pk, channel_id, author_id, number, thread_id, deleted_at, created_at, seq in Message.objects.filter(
        pk__in=ids
    ).values_list(*fields):
        row = rows.get(pk) or Thread(
            root_id=pk, channel_id=channel_id, root_number=number, seq=seq, last_number=number, active_at=created_at
        )
        found[pk] = _Thread(
            root=Root(channel_id, thread_id is not None, deleted_at is not None),
            row=row,
            author_id=str(author_id),
            is_first=not row.replies,
            participants={user: names.get(uuid.UUID(user), "") for user in row.participants.split()},
        )
    return found


def _named_in(roots: set[uuid.UUID]) -> Mapping[uuid.UUID, list[str]]:
    """Whom these messages mention."""
    found: dict[uuid.UUID, list[str]] = {}
    if roots:
        for root, user in Mention.objects.filter(message_id__in=roots).values_list("message_id", "user_id"):
            found.setdefault(root, []).append(str(user))
    return found


def _followers(threads: Sequence[Thread]) -> dict[str, list[UserId]]:
    """FOLLOWERS_TOLD of each thread's followers at most, without those who may not read it."""
    now = connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    found: dict[str, list[UserId]] = {}
    for thread in threads:
        users = driver.select(
            "SELECT f.user_id FROM chat_threadfollow f JOIN chat_channel c ON c.id = %s "  # noqa: S608  own constants
            f"WHERE f.thread_id = %s AND f.is_on AND (c.kind NOT IN ({_CLOSED}) OR EXISTS (SELECT 1 FROM "
            "chat_channelmembership m WHERE m.user_id = f.user_id AND m.channel_id = c.id)) AND NOT EXISTS "
            "(SELECT 1 FROM chat_sanction s WHERE s.user_id = f.user_id AND s.channel_id = c.id "
            "AND s.lifted_at IS NULL AND s.kind = 'ban' AND (s.until IS NULL OR s.until > %s)) LIMIT %s",
            [thread.channel_id, uuid_to_column(thread.root_id), now, FOLLOWERS_TOLD],
        )
        found[str(thread.root_id)] = [UserId(uuid_text(user)) for (user,) in users]
    return found
