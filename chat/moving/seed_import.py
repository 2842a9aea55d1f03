"""From the replaced server's Redis into our tables: users, then channels, then messages, in batches.

Each batch of messages is one transaction under the channel's lock, with the mark that says how far it came: ended
anywhere and started again, nothing is doubled and nothing is missing. Beside a live server this is one more writer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from django.db import transaction

from accounts.importing import Arrival, OldAccount, users_import
from chat.domain.errors import RowError
from chat.domain.policies import ChannelKind
from chat.models import Channel, ImportMark
from chat.moving import seed_rows
from chat.moving.report import Report
from chat.moving.seed_rows import SeedChannel, SeedMessage
from chat.moving.seed_source import MessageList, SeedSource
from chat.posting import statements
from chat.posting.statements import MessageRow
from reaktor.db.ids import uuid7

ACCOUNTS_TOGETHER = 400
KNOWN_AUTHORS = 100_000
NO_LIST = "a key named like a list of messages that is none: left out"
OTHER_LIST = "a list of messages that is not the one the import began with: left out"
RENAMED = "a user name that is not allowed, or is another's or looks like it: another name"
UNKNOWN_AUTHOR = "an author who has no account: one that can't log in stands for them"

OnProgress = Callable[[int], None]


class SeedImport:
    """One run. `on_progress` is called with the rows of each batch. Dry: reads, counts and changes nothing."""

    def __init__(self, source: SeedSource, report: Report, *, max_chars: int, dry_run: bool) -> None:
        self._source = source
        self._report = report
        self._max_chars = max_chars
        self._dry_run = dry_run
        self._authors: dict[str, uuid.UUID] = {}
        self._pretended: set[str] = set()

    # -- Users ----------------------------------------------------------------------------------------------------

    def users(self, on_progress: OnProgress) -> None:
        for part in self._source.users():
            for start in range(0, len(part), ACCOUNTS_TOGETHER):
                rows = part[start : start + ACCOUNTS_TOGETHER]
                self._users([OldAccount(name, seed_rows.usable_hash(raw)) for name, raw in rows])
                on_progress(len(rows))

    def _users(self, accounts: Sequence[OldAccount]) -> None:
        found = users_import(accounts, dry_run=self._dry_run)
        for account in accounts:
            became = found[account.name]
            self._authors[account.name] = became.id
            if became.arrival is Arrival.KNOWN:
                self._report.done("users that were here before")
                continue
            self._report.done("users")
            if account.bcrypt is None:
                self._report.note(seed_rows.NO_PASSWORD, f"{account.name!r}")
            if became.username != account.name:
                self._report.note(RENAMED, f"{account.name!r} → {became.username}")

    # -- Channels -------------------------------------------------------------------------------------------------

    def channels(self) -> None:
        """In the order of their lists, so that the oldest comes first."""
        for raw, is_listed in self._source.channels():
            try:
                channel = seed_rows.parse_channel(raw)
            except RowError as error:
                self._report.note(error.why, seed_rows.text_of(raw))
            else:
                self._channel(channel, ChannelKind.PUBLIC if is_listed else ChannelKind.UNLISTED)

    def _channel(self, channel: SeedChannel, kind: ChannelKind) -> None:
        if channel.key in self._pretended or Channel.objects.filter(key=channel.key).exists():
            return
        if self._dry_run:
            self._pretended.add(channel.key)
        else:
            Channel.objects.get_or_create(key=channel.key, defaults={"name": channel.name, "kind": kind})
        self._report.done("channels")
        for note in channel.notes:
            self._report.note(note, f"{channel.original_key!r} → {channel.key}, {channel.name!r}")

    def message_lists(self) -> list[MessageList]:
        return self._source.message_lists(lambda key: self._report.note(NO_LIST, f"{key!r}"))

    # -- Messages -------------------------------------------------------------------------------------------------

    def messages(self, found: MessageList, on_progress: OnProgress) -> None:
        """One channel's list. One that no list of channels names is made unlisted, as a join by its key would."""
        channel = seed_rows.channel_of(found.channel_key, None)
        self._channel(channel, ChannelKind.UNLISTED)
        mark = ImportMark.objects.filter(source=sha256(found.redis_key).hexdigest()).first()
        if mark is None:
            mark = ImportMark(source=sha256(found.redis_key).hexdigest())
        if mark.position:
            last = self._source.row(found.redis_key, mark.position - 1)
            if last is None or sha256(last).hexdigest() != mark.last_row:
                self._report.note(OTHER_LIST, f"{found.channel_key!r}: {found.length:,} messages")
                on_progress(found.length)
                return
            self._report.done("messages that were here before", mark.position)
            on_progress(mark.position)
        for rows in self._source.rows(found.redis_key, mark.position):
            self._batch(channel, mark, rows)
            on_progress(len(rows))

    def _batch(self, channel: SeedChannel, mark: ImportMark, rows: Sequence[bytes]) -> None:
        parsed = self._parsed(channel, mark, rows)
        ids = self._author_ids({message.author for message, _ in parsed})
        mark.position += len(rows)
        mark.last_row = sha256(rows[-1]).hexdigest()
        if parsed:
            mark.last_at = parsed[-1][1]
        if not self._dry_run:
            with transaction.atomic():
                self._store(channel.key, [(ids[message.author], message.text, at) for message, at in parsed])
                mark.save()
        self._report.done("messages", len(parsed))

    def _parsed(
        self, channel: SeedChannel, mark: ImportMark, rows: Sequence[bytes]
    ) -> list[tuple[SeedMessage, datetime]]:
        parsed = []
        at = mark.last_at or datetime.now(UTC)
        for position, raw in enumerate(rows, mark.position):
            where = f"{channel.original_key!r} row {position}"
            try:
                message = seed_rows.parse_message(raw, self._max_chars)
            except RowError as error:
                self._report.note(error.why, f"{where}: {seed_rows.text_of(raw[:200])}")
                continue
            at = message.at or at
            parsed.append((message, at))
            for note in message.notes:
                self._report.note(note, where)
        return parsed

    def _author_ids(self, names: set[str]) -> dict[str, uuid.UUID]:
        missing = [name for name in names if name not in self._authors]
        if len(self._authors) > KNOWN_AUTHORS:
            self._authors = {name: self._authors[name] for name in names if name in self._authors}
        for start in range(0, len(missing), ACCOUNTS_TOGETHER):
            part = missing[start : start + ACCOUNTS_TOGETHER]
            found = users_import([OldAccount(name, is_placeholder=True) for name in part], dry_run=self._dry_run)
            for name, became in found.items():
                self._authors[name] = became.id
                if became.arrival is Arrival.CREATED:
                    self._report.note(UNKNOWN_AUTHOR, f"{name!r} → {became.username}")
        return {name: self._authors[name] for name in names}

    @staticmethod
    def _store(key: str, messages: Sequence[tuple[uuid.UUID, str, datetime]]) -> None:
        """Behind what the channel has: numbers and seqs go on from its heads, under its lock."""
        (channel,) = statements.channels_lock([key])
        statements.messages_insert(
            [
                MessageRow(
                    id=uuid7(at),
                    channel_id=channel.id,
                    author_id=author_id,
                    number=channel.number + place,
                    aside=channel.aside,
                    seq=channel.seq + place,
                    text=text,
                    nonce=None,
                    reply_to=None,
                    created_at=at,
                )
                for place, (author_id, text, at) in enumerate(messages, 1)
            ]
        )
        statements.heads_store([(channel.seq + len(messages), channel.number + len(messages), channel.id)])
