"""Who may see, write, moderate and act on whom: every such decision, on plain values, the same for every transport.

Services read the facts (roles, sanctions, the channel's state) inside their transaction and ask here; a refusal is a
ReaktorError that says why and until when. Pure: `now` is an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from chat.domain.errors import ArchivedError, EditWindowError, MutedError, NotAMemberError
from chat.domain.words import NO_WORDS, WordFilter
from reaktor.errors import BannedError, ForbiddenError, NotFoundError, RateLimitedError, ReaktorError, Terms
from reaktor.why import Why

MAX_SLOW_MODE_S = 6 * 3600
KICK_S = 10.0
"""How long a kick keeps a user out: longer than any join that was allowed a moment before takes to arrive."""
REMOVAL_S = 60.0
"""How long a user is kept out of a channel after the right to be in it went: longer than a greeting may take that read
its channels before. Who is let in again need not wait for its end."""
MAX_PURGE_HOURS = 24 * 7
BANNED_FROM_CHANNEL = "You are banned from this channel."
_LINK = re.compile(r"https?://", re.IGNORECASE)


class ChannelKind(StrEnum):
    """Who may find and read a channel: everybody, who knows its key, who was invited, its two members, those whom
    somebody chose for it.
    """

    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"
    DIRECT = "direct"
    GROUP = "group"

    @property
    def is_closed(self) -> bool:
        """Only its members read it."""
        return self not in {ChannelKind.PUBLIC, ChannelKind.UNLISTED}

    @property
    def is_direct(self) -> bool:
        """People chose each other: nobody owns or moderates it."""
        return self in {ChannelKind.DIRECT, ChannelKind.GROUP}


DIRECT_KINDS = tuple(kind.value for kind in ChannelKind if kind.is_direct)


class Role(StrEnum):
    OWNER = "owner"
    MODERATOR = "moderator"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Access:
    """What one user is to one channel: the durable role (None: no member for good), and whether site staff."""

    kind: ChannelKind
    role: Role | None
    is_staff: bool = False
    is_archived: bool = False
    is_banned: bool = False

    @property
    def can_see(self) -> bool:
        """Public with a token, unlisted with its key (which the asker just named), the rest by membership."""
        return not self.kind.is_closed or self.role is not None

    @property
    def can_read(self) -> bool:
        """Who may see it and is not banned from it."""
        return self.can_see and not self.is_banned

    @property
    def can_moderate(self) -> bool:
        return self.is_staff or (self.role in {Role.OWNER, Role.MODERATOR} and not self.is_banned)

    @property
    def can_manage(self) -> bool:
        """Rename, archive, give roles."""
        return self.is_staff or (self.role is Role.OWNER and not self.is_banned)

    @property
    def can_rename(self) -> bool:
        """Of a group each member may."""
        return self.can_manage or (self.kind is ChannelKind.GROUP and self.role is not None)

    def check_rename(self) -> None:
        if not self.can_rename:
            self.check_manage()

    def check_read(self) -> None:
        """Raises NotFoundError (that a private channel exists is told to nobody outside it), BannedError."""
        if not self.can_see:
            raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
        if self.is_banned:
            raise BannedError(BANNED_FROM_CHANNEL, why=Why.BANNED_HERE)

    def check_manage(self) -> None:
        if not self.can_manage:
            self.check_read()
            raise ForbiddenError("Only an owner of the channel may do that.", why=Why.ONLY_OWNERS)

    def check_moderate(self) -> None:
        if not self.can_moderate:
            self.check_read()
            raise ForbiddenError("Only moderators of the channel may do that.", why=Why.ONLY_MODERATORS)


def ban_from_channel(until: datetime | None, reason: str) -> BannedError:
    """What somebody is told whom such a ban keeps out of a channel."""
    return BannedError(BANNED_FROM_CHANNEL, terms=Terms(until, reason, is_everywhere=False))


class SanctionKind(StrEnum):
    """Out of a channel now; may not write; may not be there."""

    KICK = "kick"
    MUTE = "mute"
    BAN = "ban"


class Resolution(StrEnum):
    """What a moderator made of a report: nothing; the message went; its author was sanctioned as well."""

    DISMISSED = "dismissed"
    DELETED = "deleted"
    SANCTIONED = "sanctioned"


class Rank(IntEnum):
    """What somebody is in a channel, or (staff and above) everywhere. The higher one acts on the lower one."""

    NOBODY = 0
    MEMBER = 1
    MODERATOR = 2
    OWNER = 3
    STAFF = 4
    SUPERUSER = 5
    SYSTEM = 6


_RANKS = {None: Rank.NOBODY, Role.MEMBER: Rank.MEMBER, Role.MODERATOR: Rank.MODERATOR, Role.OWNER: Rank.OWNER}


def rank_of(role: Role | None, *, is_staff: bool, is_superuser: bool) -> Rank:
    """The greater one of the site's rank and the channel's."""
    if is_superuser:
        return Rank.SUPERUSER
    return Rank.STAFF if is_staff else _RANKS[role]


def check_outranks(actor: Rank, target: Rank, *, needed: Rank = Rank.MODERATOR) -> None:
    """The actor has the rank that is needed, and the target a lower one than the actor. Raises ForbiddenError."""
    if actor < needed:
        raise ForbiddenError("Only moderators may do that." if needed <= Rank.OWNER else "Only staff may do that.")
    if actor <= target:
        raise ForbiddenError("That is only for somebody of a higher rank than theirs.")


def check_edit_message(*, is_own: bool) -> None:
    """Nobody changes what another one said. Raises ForbiddenError."""
    if not is_own:
        raise ForbiddenError("Only its author may edit a message.", why=Why.ONLY_AUTHOR)


def check_delete_message(access: Access, *, is_own: bool) -> None:
    """By its author, or by a moderator of its channel. Raises ForbiddenError."""
    if not is_own and not access.can_moderate:
        raise ForbiddenError("Only its author or a moderator may delete a message.", why=Why.ONLY_AUTHOR)


def check_pin(access: Access, *, everybody_pins: bool) -> None:
    """By a moderator; by whoever may write there (that is asked elsewhere) where the channel lets everybody, or has no
    moderators. Raises ForbiddenError, and ArchivedError: there it stays as it is.
    """
    if access.is_archived:
        raise ArchivedError
    if not (access.can_moderate or everybody_pins or access.kind.is_direct):
        raise ForbiddenError("Only moderators pin messages in this channel.", why=Why.ONLY_MODERATORS)


def check_see_earlier(access: Access, *, is_own: bool) -> None:
    """What a message said before it was edited: its author sees it, and moderators. Raises ForbiddenError."""
    if not is_own and (access.kind.is_direct or not access.can_moderate):
        raise ForbiddenError("Only its author and moderators see what a message said before.", why=Why.ONLY_AUTHOR)


def check_edit_in_time(access: Access, age: timedelta, window: timedelta) -> None:
    """A message is edited while it is young enough; `window` zero: always. Moderators edit theirs at any time, so that
    what they once said of a channel's rules can be kept right. Raises EditWindowError.
    """
    if window and age > window and not access.can_moderate:
        raise EditWindowError


def check_decide_report(*, is_own_message: bool) -> None:
    """A moderator decides about others. Raises ForbiddenError."""
    if is_own_message:
        raise ForbiddenError("Somebody else decides about what you wrote.")


def check_give_role(giver: Rank, role: Role, *, to_oneself: bool) -> None:
    """At most one's own, to others as to oneself. Raises ForbiddenError."""
    if _RANKS[role] > giver:
        whose = "Nobody gives themselves a higher role." if to_oneself else "Nobody gives a role above their own."
        raise ForbiddenError(whose)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A mute or ban in force. `until` None: for good; `is_everywhere`: not for one channel alone."""

    kind: SanctionKind
    until: datetime | None
    reason: str
    is_everywhere: bool

    def refusal(self, now: datetime) -> ReaktorError:
        """What its user is told: what, where, until when and why."""
        what = "muted" if self.kind is SanctionKind.MUTE else "banned"
        where = "everywhere" if self.is_everywhere else "here"
        error = MutedError if self.kind is SanctionKind.MUTE else BannedError
        wait_s = None if self.until is None else max((self.until - now).total_seconds(), 0.0)
        terms = Terms(self.until, self.reason, self.is_everywhere)
        return error(f"You are {what} {where}.", terms=terms, retry_after_s=wait_s)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What a channel's state says about writing in it."""

    kind: ChannelKind
    is_archived: bool = False
    is_frozen: bool = False
    slow_mode_s: int = 0


@dataclass(frozen=True, slots=True)
class Author:
    """What is known of who wants to write: `role` in that channel, restrictions in force there, `age` of the account.

    `last_post_at`: the newest message in that channel, asked only in slow mode. `is_unwanted`: one of the two in a
    direct channel blocks the other.
    """

    role: Role | None = None
    is_staff: bool = False
    age: timedelta = timedelta.max
    restrictions: tuple[Restriction, ...] = ()
    last_post_at: datetime | None = None
    is_unwanted: bool = False

    @property
    def is_moderator(self) -> bool:
        return self.is_staff or self.role in {Role.OWNER, Role.MODERATOR}


@dataclass(frozen=True, slots=True)
class TextRules:
    """What texts must not have: rejected words; more than `max_links` links of an account younger than `new_for`."""

    words: WordFilter = NO_WORDS
    max_links: int = 2
    new_for: timedelta = timedelta(days=1)


def writing_refusal(channel: ChannelState, author: Author, now: datetime) -> ReaktorError | None:
    """Why this author may not write (post, edit, react) in this channel now; None: they may."""
    if channel.is_archived:
        return ArchivedError()
    if channel.kind.is_closed and author.role is None:
        return NotAMemberError("Only members write in this channel.", why=Why.ONLY_MEMBERS)
    if author.restrictions:
        # A ban says more than a mute, and the longer one more than the shorter.
        worst = max(author.restrictions, key=lambda each: (each.kind is SanctionKind.BAN, each.until is None))
        return worst.refusal(now)
    if author.is_unwanted:
        return ForbiddenError("One of you does not want to hear from the other.", why=Why.BLOCKED)
    if channel.is_frozen and not author.is_moderator:
        return ForbiddenError("This channel is frozen: only moderators write in it now.", why=Why.FROZEN)
    return None


def posting_refusal(channel: ChannelState, author: Author, now: datetime) -> ReaktorError | None:
    """Why this author may not post a new message in this channel now: writing_refusal(), and slow mode."""
    refusal = writing_refusal(channel, author, now)
    if refusal is None and channel.slow_mode_s and author.last_post_at is not None and not author.is_moderator:
        wait_s = channel.slow_mode_s - (now - author.last_post_at).total_seconds()
        if wait_s > 0:
            return RateLimitedError(
                f"Slow mode: one message in {channel.slow_mode_s} s.",
                retry_after_s=wait_s,
                why=Why.SLOW_MODE,
                limit=channel.slow_mode_s,
            )
    return refusal


def text_refusal(author: Author, text: str, rules: TextRules) -> ReaktorError | None:
    """Why this text may not stand: its words, its links. Moderators may write what they like."""
    if author.is_moderator:
        return None
    if rules.words.rejects(text):
        return ForbiddenError("That has words that are not allowed here.", why=Why.WORDS_NOT_ALLOWED)
    if author.age < rules.new_for and len(_LINK.findall(text)) > rules.max_links:
        return ForbiddenError(
            f"New accounts may post {rules.max_links} links in a message at most.",
            why=Why.TOO_MANY_LINKS,
            limit=rules.max_links,
        )
    return None
