"""Who may write in which channel now: the facts, read inside a transaction that holds the channels' locks.

Writing() is made by chat.posting.batches for the posts of one commit and by chat.services for one change; the
decisions are chat.domain.policies'. Sanctions are stored under the same locks (a channel's under the channel's, one
that holds everywhere under the account's), so that nothing is accepted once a sanction is stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

from accounts.tokens import SWITCHED_OFF, ban_error
from chat.domain.ids import UserId
from chat.domain.policies import (
    Author,
    ChannelKind,
    ChannelState,
    Restriction,
    Role,
    SanctionKind,
    TextRules,
    posting_refusal,
    text_refusal,
    writing_refusal,
)
from chat.models import ChannelMembership, Message, UserBlock
from chat.posting.statements import LockedChannel
from reaktor.db import driver
from reaktor.db.columns import time_from_column, uuid_text, uuid_to_column
from reaktor.errors import BannedError, NotFoundError, ReaktorError
from reaktor.why import Why

PARAMETERS_PER_QUERY = 900
_CLOSED = frozenset(kind.value for kind in ChannelKind if kind.is_closed)
Pair = tuple[int, str]
"""(channel id, user id)."""


class AccountRow(NamedTuple):
    """An account that wants to write: its tokens may have died while its posts waited."""

    is_active: bool
    is_staff: bool
    created_at: datetime
    banned_until: datetime | None
    ban_reason: str
    is_restricted: bool
    """Some mute or ban may hold for them: which, is asked in a statement of its own."""
    is_bot: bool


class MembershipRow(NamedTuple):
    """A membership of who wants to write."""

    id: int
    role: Role


class Writing:
    """Everything that must be known of these authors in these locked channels; then questions, without queries.

    `memberships`: theirs there.
    """

    def __init__(self, pairs: Iterable[tuple[LockedChannel, UserId]], now: datetime) -> None:
        asked = {(channel.id, user_id): channel for channel, user_id in pairs}
        self._now = now
        self._accounts, self.memberships = _accounts_lock(sorted(asked, key=_by_user), now)
        restricted = [user_id for user_id, account in self._accounts.items() if account.is_restricted]
        self._restrictions = _restrictions_find(restricted, now) if restricted else {}
        # Almost all of them: asked about each of thousands of posts, the long way costs a fifth of storing them.
        self._unhindered = {
            user_id for user_id, account in self._accounts.items() if account.is_active and account.banned_until is None
        }.difference(restricted)
        slow = [(channel, user_id) for (_, user_id), channel in asked.items() if channel.slow_mode_s]
        self._last_posts = _last_posts_find(slow, now)
        direct = {channel.id for channel in asked.values() if channel.kind == ChannelKind.DIRECT}
        self._unwanted = _unwanted_find(direct) if direct else frozenset()

    def refusal(self, channel: LockedChannel, user_id: UserId) -> ReaktorError | None:
        """Why the user may not write (edit, react) in the channel now."""
        return self._gone(user_id) or writing_refusal(_state(channel), self._author(channel, user_id), self._now)

    def posting_refusal(
        self, channel: LockedChannel, user_id: UserId, text: str, rules: TextRules
    ) -> ReaktorError | None:
        """Why the user may not post this text in the channel now."""
        if user_id in self._unhindered and not (channel.is_archived or _needs_role(channel)):
            return self._text_refusal(channel, user_id, text, rules)
        gone = self._gone(user_id)
        if gone is not None:
            return gone
        author = self._author(channel, user_id)
        refusal = posting_refusal(_state(channel), author, self._now)
        return refusal or self._text_refusal(channel, user_id, text, rules)

    def edit_refusal(self, channel: LockedChannel, user_id: UserId, text: str, rules: TextRules) -> ReaktorError | None:
        """Why the user may not make this text of a message in the channel now."""
        return self.refusal(channel, user_id) or self._text_refusal(channel, user_id, text, rules)

    def _text_refusal(
        self, channel: LockedChannel, user_id: UserId, text: str, rules: TextRules
    ) -> ReaktorError | None:
        if rules.words.rejected is None and "://" not in text:
            return None
        return text_refusal(self._author(channel, user_id), text, rules)

    def is_bot(self, user_id: UserId) -> bool:
        """Of an author who was not refused."""
        return self._accounts[user_id].is_bot

    def is_moderator(self, channel: LockedChannel, user_id: UserId) -> bool:
        """Of an author who was not refused."""
        return self._author(channel, user_id).is_moderator

    def posted(self, channel: LockedChannel, user_id: UserId) -> None:
        """The user's post is taken: in slow mode the next one of the same commit comes too early."""
        if channel.slow_mode_s:
            self._last_posts[channel.id, user_id] = self._now

    def _gone(self, user_id: UserId) -> ReaktorError | None:
        account = self._accounts.get(user_id)
        if account is None:
            return NotFoundError("The account is gone.")
        if not account.is_active:
            return BannedError(SWITCHED_OFF, why=Why.SWITCHED_OFF)
        if account.banned_until is not None and account.banned_until > self._now:
            return ban_error(account.banned_until, account.ban_reason)
        return None

    def _author(self, channel: LockedChannel, user_id: UserId) -> Author:
        account = self._accounts[user_id]
        restrictions = self._restrictions.get(user_id, ())
        membership = self.memberships.get((channel.id, user_id))
        return Author(
            role=None if membership is None else membership.role,
            is_staff=account.is_staff,
            age=self._now - account.created_at,
            restrictions=tuple(each for where, each in restrictions if where in (None, channel.id)),
            last_post_at=self._last_posts.get((channel.id, user_id)),
            is_unwanted=channel.id in self._unwanted,
        )


def _state(channel: LockedChannel) -> ChannelState:
    return ChannelState(ChannelKind(channel.kind), channel.is_archived, channel.is_frozen, channel.slow_mode_s)


def _needs_role(channel: LockedChannel) -> bool:
    """Open channels without slow mode, the usual case, ask for no role."""
    return channel.is_frozen or bool(channel.slow_mode_s) or channel.kind in _CLOSED


def _by_user(pair: Pair) -> str:
    return pair[1]


def _accounts_lock(pairs: Sequence[Pair], now: datetime) -> tuple[dict[str, AccountRow], dict[Pair, MembershipRow]]:
    """These accounts, so that none of them is banned or muted everywhere before this transaction is over; and their
    memberships, where they are members of these channels.

    PostgreSQL: under locks that only a sanction's own (FOR UPDATE) waits for; who had to wait for one sees the account
    as it is then, but of other tables what was there before. Hence the account's own muted_until. SQLite has one
    writer at a time anyway.
    """
    lock = " FOR KEY SHARE OF u" if connection.features.has_select_for_update else ""
    accounts: dict[str, AccountRow] = {}
    memberships: dict[Pair, MembershipRow] = {}
    step = PARAMETERS_PER_QUERY // 2
    for start in range(0, len(pairs), step):
        part = pairs[start : start + step]
        rows = ", ".join(["(%s, %s)"] * len(part))
        for channel, membership, role, found, *account in driver.select(
            f"WITH wanted(channel_id, user_id) AS (VALUES {rows}) SELECT w.channel_id, m.id, m.role, u.id, "  # noqa: S608  ours
            "u.is_active, u.is_staff, u.created_at, u.banned_until, u.ban_reason, u.is_bot, u.muted_until, EXISTS "
            "(SELECT 1 FROM chat_sanction s WHERE s.user_id = u.id AND s.lifted_at IS NULL) FROM wanted w "
            "JOIN accounts_user u ON u.id = w.user_id "
            "LEFT JOIN chat_channelmembership m ON m.user_id = u.id AND m.channel_id = w.channel_id"
            " ORDER BY u.id" + lock,
            [value for channel_id, user_id in part for value in (channel_id, uuid_to_column(user_id))],
        ):
            user = uuid_text(found)
            if user not in accounts:
                accounts[user] = _account(now, *account)
            if membership is not None:
                memberships[channel, user] = MembershipRow(membership, Role(role))
    return accounts, memberships


def _account(
    now: datetime,
    is_active: Any,
    is_staff: Any,
    created: Any,
    banned: Any,
    reason: str,
    is_bot: Any,
    muted_until: Any,
    sanctions: Any,
) -> AccountRow:
    """From the columns, as the driver gives them."""
    is_muted = muted_until is not None and time_from_column(muted_until) > now
    return AccountRow(
        bool(is_active),
        bool(is_staff),
        time_from_column(created),
        time_from_column(banned),
        reason,
        bool(sanctions) or is_muted,
        bool(is_bot),
    )


def _restrictions_find(user_ids: Sequence[str], now: datetime) -> dict[str, list[tuple[int | None, Restriction]]]:
    """The mutes and bans in force, by user: (channel id or None: everywhere, what it is)."""
    at = connection.ops.adapt_datetimefield_value(now)
    found: dict[str, list[tuple[int | None, Restriction]]] = {}
    for pk, channel_id, kind, until, reason in _select(
        "SELECT user_id, channel_id, kind, until, reason FROM chat_sanction WHERE user_id IN ({places}) "
        "AND lifted_at IS NULL AND kind <> 'kick' AND (until IS NULL OR until > %s)",
        user_ids,
        at,
    ):
        each = Restriction(SanctionKind(kind), time_from_column(until), reason, is_everywhere=channel_id is None)
        found.setdefault(uuid_text(pk), []).append((channel_id, each))
    return found


def _last_posts_find(channels: Sequence[tuple[LockedChannel, str]], now: datetime) -> dict[Pair, datetime]:
    """When each last posted in a channel in slow mode, if that may still count; along the authors' index."""
    if not channels:
        return {}
    since = now - timedelta(seconds=max(channel.slow_mode_s for channel, _ in channels))
    theirs = Message.objects.filter(author_id__in={uuid.UUID(user_id) for _, user_id in channels}, created_at__gt=since)
    newest = theirs.filter(channel_id__in={channel.id for channel, _ in channels}).values("channel_id", "author_id")
    rows = newest.annotate(at=Max("created_at")).order_by().values_list("channel_id", "author_id", "at")
    return {(channel_id, str(author_id)): at for channel_id, author_id, at in rows}


def _unwanted_find(channel_ids: Iterable[int]) -> frozenset[int]:
    """Those direct channels in which one of the two blocks the other."""
    users: dict[int, set[Any]] = {}
    for channel_id, user_id in ChannelMembership.objects.filter(channel_id__in=channel_ids).values_list(
        "channel_id", "user_id"
    ):
        users.setdefault(channel_id, set()).add(user_id)
    everybody = set().union(*users.values())
    blocks = UserBlock.objects.filter(user_id__in=everybody, blocked_id__in=everybody).values_list("user", "blocked")
    pairs = [{one, other} for one, other in blocks]
    return frozenset(channel_id for channel_id, both in users.items() if both in pairs)


def _select(statement: str, user_ids: Sequence[str], *parameters: Any) -> Iterable[tuple[Any, ...]]:
    """The rows of a statement about users, asked in parts: SQLite takes 999 parameters in its smallest builds."""
    size = PARAMETERS_PER_QUERY - len(parameters)
    for start in range(0, len(user_ids), size):
        part = [uuid_to_column(user_id) for user_id in user_ids[start : start + size]]
        yield from driver.select(statement.format(places=", ".join(["%s"] * len(part))), [*part, *parameters])
