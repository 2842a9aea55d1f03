"""Writes of sanctions: kick, mute, ban, lift. Told at once to the sanctioned, the authority, and every worker.

A sanction is stored under the lock that posts take (the channel's row, or the account's for one that holds
everywhere): once this returns, no message is accepted against it. Those of a channel are its moderators', the others
staff's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts import services as accounts
from accounts.models import User
from accounts.selectors import user_called
from chat import publish
from chat.domain.events import Event, EventType
from chat.domain.ids import SYSTEM, ChannelKey, UserId, UserRef
from chat.domain.moderation import SanctionData, SanctionEventData
from chat.domain.policies import KICK_S, ChannelKind, Rank, Role, SanctionKind, check_outranks, rank_of
from chat.domain.rules import check_reason, check_until
from chat.models import AuditAction, Channel, ChannelMembership, Sanction
from chat.selectors import ChannelAccess, channel_access, sanction_data, user_ref
from chat.services.audit import audit_add
from chat.services.memberships import removal_add, tell_membership, tell_removed
from reaktor.errors import InvalidError, NotFoundError
from reaktor.times import timestamp

_ACTIONS = {
    SanctionKind.KICK: AuditAction.KICK,
    SanctionKind.MUTE: AuditAction.MUTE,
    SanctionKind.BAN: AuditAction.BAN,
}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom something is done to, where (None: everywhere), and the actor's rank there, as stored now."""

    user: User
    found: ChannelAccess | None
    actor_rank: Rank

    @property
    def ref(self) -> UserRef:
        return user_ref(self.user)

    @property
    def key(self) -> str:
        return self.found.channel.key if self.found else ""


def target_find(actor: UserRef, username: str, key: str | None, *, needed: Rank = Rank.MODERATOR) -> Target:
    """The user that the actor may act on. Raises NotFoundError (user, channel), ForbiddenError, InvalidError (direct).

    Everywhere, that needs staff. Ranks are read anew: an actor who was demoted a moment ago is no moderator.
    """
    found = channel_access(user=actor, key=ChannelKey(key), to_moderate=True) if key is not None else None
    if found is not None and found.channel.kind.is_direct:
        raise InvalidError("Nobody moderates a direct channel or a group; block the other one, or report them.")
    user = user_called(username)
    actor_rank = _rank_now(actor, found)
    if user is None:
        check_outranks(actor_rank, Rank.NOBODY, needed=needed if found else Rank.STAFF)
        raise NotFoundError("There is no such user.")
    rank = rank_of(_role(found, user), is_staff=user.is_staff, is_superuser=user.is_superuser)
    check_outranks(actor_rank, rank, needed=needed if found else Rank.STAFF)
    return Target(user, found, actor_rank)


def _rank_now(actor: UserRef, found: ChannelAccess | None) -> Rank:
    if actor is SYSTEM:
        return Rank.SYSTEM
    me = User.objects.filter(pk=actor.id, is_active=True).first()
    if me is None:
        raise NotFoundError("The account is gone.")
    return rank_of(_role(found, me), is_staff=me.is_staff, is_superuser=me.is_superuser)


def _role(found: ChannelAccess | None, user: User) -> Role | None:
    if found is None:
        return None
    role = ChannelMembership.objects.filter(channel_id=found.channel.id, user=user).values_list("role", flat=True)
    return Role(role[0]) if role else None


def sanction_issue(
    *,
    user: UserRef,
    kind: str,
    username: str,
    channel: str | None = None,
    until: datetime | None = None,
    reason: str = "",
) -> SanctionData:
    """Kick, mute or ban somebody of a lower rank; an earlier one of that kind and place is replaced.

    `channel` None: everywhere (staff; no kick). `until` None: for good; a kick ends by itself. Raises InvalidError,
    NotFoundError, ForbiddenError.
    """
    now = datetime.now(UTC)
    chosen = _kind(kind, channel)
    why, ends = check_reason(reason), check_until(until, now)
    if chosen is SanctionKind.KICK:
        ends = now + timedelta(seconds=KICK_S)
    with transaction.atomic():
        place_lock(user, username, channel)
        target = target_find(user, username, channel)
        earlier = _in_force(target, now).filter(kind=chosen.value)
        earlier.update(lifted_at=now, lifted_by_id=issuer_id(user))
        sanction = Sanction.objects.create(
            kind=chosen.value,
            user=target.user,
            channel_id=target.found.channel.id if target.found else None,
            reason=why,
            issued_by_id=issuer_id(user),
            created_at=now,
            until=ends,
        )
        # First: a ban ends the sessions that hear of it.
        _tell(target, chosen.value, why, ends)
        _carry_out(sanction, chosen, target)
        audit_add(user, _ACTIONS[chosen], target.ref, target.key, why, {"until": ends and timestamp(ends)})
    return sanction_data(sanction)


def sanction_lift(*, user: UserRef, sanction_id: int, reason: str = "") -> SanctionData:
    """End a mute or ban before its time, by who might have issued it. Repeating it changes nothing."""
    why = check_reason(reason)
    with transaction.atomic():
        sanction = Sanction.objects.select_related("user", "channel").filter(pk=sanction_id).first()
        if sanction is None:
            raise NotFoundError("There is no such sanction.")
        key = sanction.channel.key if sanction.channel else None
        place_lock(user, sanction.user.username, key)
        target = target_find(user, sanction.user.username, key)
        now = datetime.now(UTC)
        if not Sanction.objects.filter(pk=sanction_id, lifted_at=None).update(
            lifted_at=now, lifted_by_id=issuer_id(user)
        ):
            sanction.refresh_from_db()
            return sanction_data(sanction)
        # A ban whose time is over may stand beside the one that holds now.
        if sanction.channel is None and not _in_force(target, now).filter(kind=sanction.kind).exists():
            undo = accounts.user_unban if sanction.kind == SanctionKind.BAN else accounts.user_unmute
            undo(sanction.user)
        publish.blocks_changed()
        if target.found is not None and _may_read_again(target, sanction, now):
            tell_membership(target.ref, target.found.channel.key, EventType.CHANNEL_ADDED)
        audit_add(user, AuditAction.LIFT, target.ref, target.key, why, {"kind": sanction.kind, "id": sanction.pk})
        _tell(target, "lift", why, None)
        sanction.refresh_from_db()
    return sanction_data(sanction)


def sanction_lift_all(*, user: UserRef, username: str, channel: str | None = None, reason: str = "") -> int:
    """Lift every mute and ban of that user in that place (None: those that hold everywhere); how many there were."""
    target = target_find(user, username, channel)
    found = list(
        _in_force(target, datetime.now(UTC)).exclude(kind=SanctionKind.KICK.value).values_list("pk", flat=True)
    )
    for sanction_id in found:
        sanction_lift(user=user, sanction_id=sanction_id, reason=reason)
    return len(found)


def issuer_id(user: UserRef) -> UserId | None:
    """Who stands in a row as its issuer; nobody for the command line."""
    return None if user is SYSTEM else user.id


def _kind(kind: str, channel: str | None) -> SanctionKind:
    try:
        chosen = SanctionKind(kind)
    except ValueError:
        raise InvalidError("A sanction is a kick, a mute or a ban.", fields={"kind": "kick, mute or ban"}) from None
    if chosen is SanctionKind.KICK and channel is None:
        raise InvalidError("A kick needs a channel.", fields={"channel": "is missing"})
    return chosen


def place_lock(actor: UserRef, username: str, key: str | None) -> None:
    """Lock what posts wait for, before anything is read: the channel's row, or (everywhere) the accounts' rows.

    So the ranks that are read next are those that hold: who is demoted meanwhile waits, or is demoted already.
    """
    if key is not None:
        Channel.objects.select_for_update().filter(key=key).first()
        return
    user = user_called(username)
    both = [uuid.UUID(actor.id), *([user.pk] if user is not None else [])]
    list(User.objects.select_for_update().filter(pk__in=both).order_by("pk"))


def _in_force(target: Target, now: datetime) -> QuerySet[Sanction]:
    mine = Sanction.objects.filter(user=target.user, lifted_at=None).exclude(until__lte=now)
    return mine.filter(channel_id=target.found.channel.id) if target.found else mine.filter(channel=None)


def _belonging(target: Target) -> QuerySet[ChannelMembership]:
    assert target.found is not None  # noqa: S101  of one channel
    return ChannelMembership.objects.filter(channel_id=target.found.channel.id, user=target.user)


def _may_read_again(target: Target, lifted: Sanction, now: datetime) -> bool:
    bans = _in_force(target, now).filter(kind=SanctionKind.BAN.value)
    return lifted.kind == SanctionKind.BAN and _belonging(target).exists() and not bans.exists()


def _carry_out(sanction: Sanction, kind: SanctionKind, target: Target) -> None:
    if kind is SanctionKind.MUTE:
        if target.found is None:
            accounts.user_mute(target.user, until=sanction.until)
        return
    if target.found is None:
        accounts.user_ban(target.user, until=sanction.until, reason=sanction.reason)
    elif kind is SanctionKind.KICK and target.found.channel.kind is ChannelKind.PRIVATE:
        _belonging(target).delete()
        removal_add(target.found.channel.id, target.ref.id)
        tell_removed(target.ref.id, target.found.channel.key)
    elif kind is SanctionKind.BAN and _belonging(target).exists():
        tell_removed(target.ref.id, target.found.channel.key)
    publish.blocks_changed()


def _tell(target: Target, kind: str, reason: str, until: datetime | None) -> None:
    """The sanctioned one's live sessions learn what, where, why and until when."""
    ends = timestamp(until) if until is not None else None
    data = SanctionEventData(kind=kind, channel=target.key or None, reason=reason, until=ends)
    key = target.found.channel.key if target.found else None
    publish.to_user(target.ref.id, Event(EventType.SANCTION, key, data))
