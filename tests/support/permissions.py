"""Who may do what, said once more and independently of the code: the matrix that the permission tests go through.

A cell is a kind of channel and what somebody is to it. denial() is the law: the code by which a need is refused there,
or None. build() stores a scene with a channel of its own for every cell.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

KINDS = ("public", "unlisted", "private", "direct", "group")
ROLES = ("stranger", "member", "muted", "banned", "moderator", "owner", "staff")
DIRECT = ("direct", "group")
IN_DIRECT = ("stranger", "member", "staff")
"""A direct channel and a group have their members, and nobody above them but the site's staff."""


class Need(Enum):
    """What an operation asks for."""

    TOKEN = auto()
    """A token, nothing of the channel."""
    READ = auto()
    WRITE = auto()
    SPEAK = auto()
    """To write from a live session: one that is in the channel."""
    BE_IN = auto()
    """To be in the channel, with a live session."""
    DELETE_OWN = auto()
    """Whoever may read there, and staff, who act where they are no member, too."""
    PIN = auto()
    """To moderate a channel that one may read; in direct channels and groups, to be in them."""
    SEE_EARLIER = auto()
    """To moderate a channel that one may read; in direct channels and groups nobody does."""
    MODERATE = auto()
    SANCTION = auto()
    """To moderate, where there are sanctions: not in direct channels."""
    MANAGE = auto()
    MANAGE_ROLES = auto()
    INVITE = auto()
    """To moderate a channel that has invites: private and unlisted ones."""
    HOOK = auto()
    """To moderate a channel that may have webhooks: not a direct one."""
    BELONG = auto()
    """To belong to the channel, and to be let in."""
    RENAME = auto()
    """To manage the channel, or to be one of a group."""
    HIDE = auto()
    """To be one of a direct channel or a group."""
    LEAVE = auto()
    """To leave for good: not a direct channel, and not as its last owner."""


@dataclass(frozen=True)
class Cell:
    kind: str
    role: str

    def __str__(self) -> str:
        return f"{self.role} in {self.kind}"


def cells() -> Iterator[Cell]:
    for kind, role in itertools.product(KINDS, ROLES):
        if kind not in DIRECT or role in IN_DIRECT:
            yield Cell(kind, role)


def denial(need: Need, cell: Cell) -> str | None:
    """The code of the refusal; None: it is allowed."""
    is_open = cell.kind in ("public", "unlisted")
    belongs = cell.role not in ("stranger", "staff")
    moderates = cell.role in ("moderator", "owner", "staff")
    unseen = None if is_open or belongs else "not_found"
    kept_out = unseen or ("banned" if cell.role == "banned" else None)
    above = None if cell.role == "staff" else kept_out
    match need:
        case Need.TOKEN:
            return None
        case Need.READ:
            return kept_out
        case Need.WRITE:
            return kept_out or ("muted" if cell.role == "muted" else None)
        case Need.BELONG:
            return kept_out or (None if belongs else "not_a_member")
        case Need.BE_IN:
            return "not_a_member" if kept_out else None
        case Need.SPEAK:
            return denial(Need.BE_IN, cell) or denial(Need.WRITE, cell)
        case Need.DELETE_OWN:
            return above
        case Need.MODERATE:
            return above or (None if moderates else "forbidden")
        case Need.PIN:
            return kept_out or (None if moderates or cell.kind in DIRECT else "forbidden")
        case Need.SEE_EARLIER:
            return kept_out or ("forbidden" if cell.kind in DIRECT or not moderates else None)
        case Need.SANCTION:
            return above or ("invalid" if cell.kind in DIRECT else None if moderates else "forbidden")
        case Need.MANAGE:
            return above or (None if cell.role in ("owner", "staff") else "forbidden")
        case Need.MANAGE_ROLES:
            return above or ("invalid" if cell.kind in DIRECT else denial(Need.MANAGE, cell))
        case Need.RENAME:
            return None if cell == Cell("group", "member") else denial(Need.MANAGE, cell)
        case Need.HIDE:
            return kept_out or (None if cell.kind in DIRECT else "invalid")
        case Need.INVITE:
            is_without = cell.kind in ("public", *DIRECT)
            return denial(Need.MODERATE, cell) or ("invalid" if is_without else None)
        case Need.HOOK:
            return denial(Need.MODERATE, cell) or ("invalid" if cell.kind in DIRECT else None)
        case Need.LEAVE:
            return kept_out or ("conflict" if cell.kind == "direct" or cell.role == "owner" else None)


def build(names: dict[str, str], tag: str = "matrix") -> None:
    """Store the scene (its keys have the tag) and print it as JSON: {cell: {"key", "own", "other"}}.

    `names`: role → username, and "victim".
    Each channel has the actor in its role, an owner, and the victim as a member; `own` is a message of the actor,
    `other` one of the victim, whom nobody sanctioned yet.
    """
    from django.utils import timezone

    from accounts.models import User
    from chat.models import Channel, ChannelMembership, Message, Sanction

    users = {role: User.objects.get(username=name) for role, name in names.items()}
    User.objects.filter(pk=users["staff"].pk).update(is_staff=True)
    found: dict[str, Any] = {}
    for number, cell in enumerate(cells()):
        prefix = {"private": "prv-", "direct": "dm-", "group": "dm-"}.get(cell.kind, "")
        channel = Channel.objects.create(key=f"{prefix}{tag}{number}", name=f"Matrix {number}", kind=cell.kind)
        actor, victim = users[cell.role], users["victim"]
        # One more, since the victim may be kicked out: an owner whom nobody is left with may go.
        roles = {victim: "member", users["muted"]: "member", users["owner"]: "owner"}
        if cell.kind in DIRECT:
            roles = {victim: "member"} | ({users["muted"]: "member"} if cell.kind == "group" else {})
        if cell.role not in ("stranger", "staff"):
            roles[actor] = cell.role if cell.role in ("moderator", "owner") else "member"
        ChannelMembership.objects.bulk_create(
            ChannelMembership(channel=channel, user=user, role=role) for user, role in roles.items()
        )
        if cell.role in ("muted", "banned"):
            kind = "mute" if cell.role == "muted" else "ban"
            Sanction.objects.create(kind=kind, user=actor, channel=channel)
        ids = {}
        for position, (name, author) in enumerate((("own", actor), ("other", victim)), start=1):
            message = Message.objects.create(
                channel=channel, author=author, number=position, seq=position, changed_seq=position,
                text="hi", created_at=timezone.now(),
            )  # fmt: skip
            ids[name] = str(message.pk)
        Channel.objects.filter(pk=channel.pk).update(seq=2, number=2)
        found[str(cell)] = {"key": channel.key, **ids}
    print("scene", json.dumps(found))
