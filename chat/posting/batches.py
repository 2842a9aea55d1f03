"""Many posts, one transaction: what the writer runs in the database thread.

In come Posts of any channels and authors, out comes one result per post, in order: Stored or the error that this
post alone met. Channel rows are locked in the order of their ids; nonces are looked up under those locks, before a
number is taken. Source: the native protocol, "A message".
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, IntegrityError, transaction

from chat.domain.calls import CallWord, call_in
from chat.domain.errors import ConfirmationRequiredError
from chat.domain.events import MessageData, via_data
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.domain.notices import concerns
from chat.domain.policies import ChannelKind, TextRules
from chat.domain.reading import Head, Marker, mention_number
from chat.models import Call, Channel, Mention, Message, Report
from chat.posting import statements
from chat.posting.attaching import Attaching, files_column
from chat.posting.calling import Called, Calling
from chat.posting.mentioning import Mentioning
from chat.posting.permissions import Pair, Writing
from chat.posting.statements import LockedChannel, MessageRow, NonceKey, Posted
from chat.posting.textrules import flagged
from chat.posting.threads import Threads
from chat.selectors import message_by_id, parse_message_id
from reaktor.db.database import LOST
from reaktor.db.ids import uuid7s
from reaktor.errors import InvalidError, NotFoundError, ReaktorError
from reaktor.times import timestamp
from reaktor.why import Why


class Post(NamedTuple):
    """A message somebody wants stored; text and nonce are checked.

    `via`: of a webhook's, the name that it is to be shown with; None: of all others. `files`: ids of files of the
    author that are in no message yet; then the text may be empty. `thread`: the id of the message in whose thread it is
    to be, and there alone unless `also_in_channel`. `is_confirmed`: its sender knows how many it calls; None: they
    can't be asked. `present`: who is here and not away, where that matters to it.
    """

    author: UserRef
    channel: ChannelKey
    text: str
    nonce: str | None
    reply_to: str | None = None
    session_id: SessionId | None = None
    via: str | None = None
    files: tuple[str, ...] = ()
    thread: str | None = None
    also_in_channel: bool = False
    is_confirmed: bool | None = None
    present: frozenset[UserId] | None = None


class Stored(NamedTuple):
    """A post that is committed. `is_duplicate`: it was already, and this is the message from then.

    `is_followed`: somebody belongs to the channel, and is to be told of it.
    `marker`: where the author's stands now, if they are a member and this is their last one of this commit there.
    `followers`: of its thread, who are to be told of it, the author among them; the last one of a thread says it.
    `called`: whom it calls, beside who is mentioned.
    """

    message: MessageData
    is_duplicate: bool = False
    mentioned: tuple[UserId, ...] = ()
    is_followed: bool = False
    marker: Marker | None = None
    followers: tuple[UserId, ...] = ()
    called: Called | None = None


Result = Stored | ReaktorError


def store_batch(posts: Sequence[Post], text_rules: TextRules | None = None) -> list[Result]:
    """Store all of them that their authors may post now, each at most once; one bad row never fails the others.

    Raises only what loses the database itself (OperationalError, InterfaceError): then nothing is acknowledged.
    """
    try:
        with transaction.atomic():
            return _Batch(posts, text_rules or TextRules()).store()
    except LOST:
        raise
    except DatabaseError as error:
        if len(posts) == 1:
            is_gone = isinstance(error, IntegrityError)
            return [NotFoundError("The account is gone.") if is_gone else InvalidError("That can't be stored.")]
        # A row that the checks let through and the database refuses: find it by storing each alone.
        return [result for post in posts for result in store_batch([post], text_rules)]


class _Batch:
    """One transaction's posts: what must be known about them is read first, for all at once."""

    def __init__(self, posts: Sequence[Post], text_rules: TextRules) -> None:
        self.posts = posts
        self.text_rules = text_rules
        self.now = datetime.now(UTC)
        self.created_at = timestamp(self.now)
        self.rows: list[MessageRow] = []
        self.mentions: list[Mention] = []
        self.calls: list[Call] = []
        self.words: dict[uuid.UUID, CallWord] = {}
        self.calling: Calling | None = None
        self.reports: list[Report] = []
        self.outbox: list[uuid.UUID] = []
        self.first_of: dict[NonceKey, Result] = {}
        self.posted: dict[Pair, Posted] = {}
        self.last_of: dict[Pair, int] = {}
        self.threads: Threads | None = None
        self.last_replies: dict[str, int] = {}
        self.ids = iter(uuid7s(len(posts)))

    def store(self) -> list[Result]:
        channels = statements.channels_lock({post.channel for post in self.posts})
        self.channels: dict[str, LockedChannel] = {channel.key: channel for channel in channels}
        pairs = [(self.channels[post.channel], post.author.id) for post in self.posts if post.channel in self.channels]
        self.writing = Writing(pairs, self.now)
        keys = [self._nonce_key(post) for post in self.posts]
        self.known = statements.nonces_find([key for key in keys if key is not None])
        self.reply_channels = self._reply_channels()
        if threads := {post.thread for post in self.posts if post.thread is not None}:
            self.threads = Threads(threads, channels)
        texts, authors = [post.text for post in self.posts], {post.author.id for post in self.posts}
        self.mentioning = Mentioning(texts, channels, authors, self.now)
        named = [post.files for post in self.posts if post.files]
        self.attaching = Attaching(named) if named else None
        if any("@" in text for text in texts):
            self._find_calls()
        results = [self._result(post, key, at) for at, (post, key) in enumerate(zip(self.posts, keys, strict=True))]
        if self.rows:
            statements.messages_insert(self.rows, self.outbox)
            moved = {row.channel_id for row in self.rows}
            statements.heads_store(
                (each.seq, each.number, each.id) for each in self.channels.values() if each.id in moved
            )
            if self.attaching is not None:
                self.attaching.store()
        if self.threads is not None and self.last_replies:
            self._store_threads(results)
        if self.mentions:
            Mention.objects.bulk_create(self.mentions)
        if self.calls:
            Call.objects.bulk_create(self.calls)
            for call in self.calls:
                Message.objects.filter(pk=call.message_id).update(calls=self.words[call.message_id].value)
                Channel.objects.filter(pk=call.channel_id).update(called=call.number)
        if self.reports:
            Report.objects.bulk_create(self.reports)
        if self.posted:
            self._move_markers(results)
        return results

    def _store_threads(self, results: list[Result]) -> None:
        assert self.threads is not None  # noqa: S101  there are replies
        moved = {row.channel_id for row in self.rows if row.is_aside}
        statements.asides_store([(each.aside, each.id) for each in self.channels.values() if each.id in moved])
        for root, followers in self.threads.store().items():
            result = results[self.last_replies[root]]
            assert isinstance(result, Stored)  # noqa: S101  it took a place
            results[self.last_replies[root]] = result._replace(followers=tuple(followers))

    def _find_calls(self) -> None:
        calling = [post for post in self.posts if call_in(post.text)]
        if calling:
            channels = [self.channels[post.channel] for post in calling if post.channel in self.channels]
            self.calling = Calling(channels, (post.author.id for post in calling))

    def _called(self, post: Post, channel: LockedChannel) -> Called | None:
        """Nobody by what a thread alone shows: most of them follow no thread, so they would never read it there.

        Raises ConfirmationRequiredError.
        """
        is_aside = post.thread is not None and not post.also_in_channel
        word = None if self.calling is None or is_aside else call_in(post.text)
        if self.calling is None or word is None:
            return None
        return self.calling.of(
            word,
            channel,
            post.author.id,
            is_moderator=self.writing.is_moderator(channel, post.author.id),
            present=post.present,
            is_confirmed=post.is_confirmed,
        )

    def _move_markers(self, results: list[Result]) -> None:
        moved = statements.markers_move(list(self.posted.values()))
        for pair, posted in self.posted.items():
            result = results[self.last_of[pair]]
            assert isinstance(result, Stored)  # noqa: S101  it took a place
            results[self.last_of[pair]] = result._replace(marker=moved.get(posted.membership_id))

    def _nonce_key(self, post: Post) -> NonceKey | None:
        channel = self.channels.get(post.channel)
        return (channel.id, post.author.id, post.nonce) if channel is not None and post.nonce is not None else None

    def _result(self, post: Post, key: NonceKey | None, at: int) -> Result:
        """`at`: which of the posts it is."""
        if key is None:
            return self._take(post, at)
        if key in self.known:
            return Stored(message_by_id(key[0], str(self.known[key])), is_duplicate=True)
        first = self.first_of.get(key)
        if first is None:
            return self.first_of.setdefault(key, self._take(post, at))
        return Stored(first.message, is_duplicate=True) if isinstance(first, Stored) else first

    def _take(self, post: Post, at: int) -> Result:
        """Give the post the next number of its channel, or refuse it."""
        channel = self.channels.get(post.channel)
        if channel is None:
            return NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
        refusal = self._refusal(post, channel)
        if refusal is not None:
            return refusal
        if post.reply_to is not None and self.reply_channels.get(post.reply_to) != channel.id:
            return NotFoundError("The message replied to is not in this channel.")
        if self.attaching is not None and (refusal := self.attaching.refusal(post.files, post.author.id)) is not None:
            return refusal
        if post.thread is None or self.threads is None:
            moved = channel._replace(seq=channel.seq + 1, number=channel.number + 1)
        else:
            refusal = self.threads.refusal(post.thread, channel)
            if refusal is not None:
                return refusal
            aside = channel.aside + (not post.also_in_channel)
            moved = channel._replace(seq=channel.seq + 1, number=channel.number + 1, aside=aside)
        try:
            called = None if self.calling is None else self._called(post, channel)
        except ConfirmationRequiredError as error:
            return error
        self.channels[post.channel] = moved
        message_id = next(self.ids)
        files = self.attaching.take(post.files, message_id) if self.attaching is not None else None
        row = MessageRow(
            id=message_id,
            channel_id=moved.id,
            author_id=post.author.id,
            number=moved.number,
            aside=moved.aside,
            seq=moved.seq,
            text=post.text,
            nonce=post.nonce,
            reply_to=uuid.UUID(post.reply_to) if post.reply_to else None,
            created_at=self.now,
            via=post.via,
            files=files_column(files) if files else None,
        )
        if post.thread is not None and self.threads is not None:
            row = row._replace(thread_id=self.threads.root_of(post.thread), is_aside=not post.also_in_channel)
            self.last_replies[str(row.thread_id)] = at
        self.rows.append(row)
        self.writing.posted(channel, post.author.id)
        if not row.is_aside:
            self._note_own((channel.id, post.author.id), Head(row.number, row.aside), at)
        report = flagged(
            row.text, self.text_rules, message_id=row.id, channel_id=row.channel_id, author_id=row.author_id
        )
        if report is not None:
            self.reports.append(report)
        users = self.mentioning.of(post.text, channel, post.author.id)
        self.mentions += [
            Mention(
                message_id=row.id,
                channel_id=row.channel_id,
                user_id=user.id,
                number=mention_number(row.number, is_aside=row.is_aside),
            )
            for user in users
        ]
        named = [user.username for user in users]
        if called is not None:
            self.calls.append(called.row(row, (user.id for user in users)))
            self.words[row.id] = called.word
            named.append(called.word.value)
        is_for_some = bool(named) or row.thread_id is not None
        if concerns(ChannelKind(channel.kind), has_mentions=is_for_some, has_all=channel.has_all):
            self.outbox.append(row.id)
        message = self._data(post, row, named)
        if self.threads is not None and row.thread_id is not None:
            message["thread"], message["also_in_channel"] = str(row.thread_id), not row.is_aside
            message["thread_info"] = self.threads.posted(row, post.author, users)
        mentioned = tuple(user.id for user in users)
        if files:
            message["files"] = files
        return Stored(message, False, mentioned, channel.is_followed, called=called)

    def _refusal(self, post: Post, channel: LockedChannel) -> ReaktorError | None:
        """A webhook tells what has happened, as often and with as many links as it has: its own rate is its bound."""
        if post.via is None:
            return self.writing.posting_refusal(channel, post.author.id, post.text, self.text_rules)
        at_once, any_links = channel._replace(slow_mode_s=0), replace(self.text_rules, new_for=timedelta())
        return self.writing.posting_refusal(at_once, post.author.id, f"{post.via}\n{post.text}", any_links)

    def _note_own(self, pair: Pair, place: Head, at: int) -> None:
        membership = self.writing.memberships.get(pair)
        if membership is None:
            return
        if (known := self.posted.get(pair)) is None:
            self.posted[pair] = Posted(place.flow - 1, place, own=0, messages=1, membership_id=membership.id)
        else:
            marker = Marker(known.at, known.own).posted(place)
            self.posted[pair] = known._replace(at=marker.at, own=marker.own, messages=known.messages + 1)
        self.last_of[pair] = at

    def _data(self, post: Post, row: MessageRow, mentions: list[str]) -> MessageData:
        data: MessageData = {
            "id": str(row.id),
            "channel": post.channel,
            "number": row.number,
            "flow": row.number - row.aside,
            "seq": row.seq,
            "changed_seq": row.seq,
            "author": post.author.username,
            "text": post.text,
            "reply_to": str(row.reply_to) if row.reply_to else None,
            "nonce": post.nonce,
            "reactions": {},
            "mentions": mentions,
            "created_at": self.created_at,
            "edited_at": None,
            "deleted_at": None,
        }
        if (via := via_data(is_bot=self.writing.is_bot(post.author.id), via=post.via)) is not None:
            data["via"] = via
        return data

    def _reply_channels(self) -> dict[str, int]:
        """Message id (as the post wrote it) → the id of its channel, for the messages replied to."""
        wanted: dict[str, uuid.UUID] = {}
        for post in self.posts:
            if post.reply_to is not None:
                try:
                    wanted[post.reply_to] = parse_message_id(post.reply_to)
                except NotFoundError:
                    continue
        if not wanted:
            return {}
        by_id = dict(Message.objects.filter(pk__in=set(wanted.values())).values_list("id", "channel_id"))
        return {text: by_id[pk] for text, pk in wanted.items() if pk in by_id}
