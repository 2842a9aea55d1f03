"""Refresh tokens of one log-in, one after the other: which of them is good, and what becomes of one that comes again.

Each refresh puts a new token in the place of the one that asked. An answer can be lost on its way, and two tabs can ask
at once: so whoever asks with a replaced token within REPEAT_S gets the token that is good now. Later it is a copy in
wrong hands, or looks like one, and the whole log-in ends (RFC 9700 4.14.2; ADR 13).
Called by accounts.services, inside its transaction. What lies in the database is no token: it lacks the signature.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from accounts import tokens
from accounts.models import RefreshFamily, User

REPEAT_S = 60
"""Longer than a client waits for an answer and tries again; shorter than anybody needs who copied a token."""
REPEATS = 20
"""So many replaced tokens are remembered; nobody needs more refreshes in a minute."""


class Verdict(StrEnum):
    GOOD = "good"
    ENDED = "ended"
    """Somebody logged out with it."""
    COPIED = "copied"
    """Replaced long ago: the caller ends the log-in."""


def refresh_take(claims: dict[str, Any], user: User, now: datetime) -> tuple[Verdict, RefreshFamily]:
    """Spend a refresh token of verified claims. When GOOD, the family's current token is the one to answer with.

    Of two calls at once the second waits, and gets what the first one made.
    """
    family = _family(claims, user, now)
    if family.current == "":
        return Verdict.ENDED, family
    if claims["jti"] == family.current:
        _replace(family, now)
        return Verdict.GOOD, family
    since = dict(family.replaced).get(claims["jti"])
    is_repeated = since is not None and now.timestamp() - since <= REPEAT_S
    return (Verdict.GOOD if is_repeated else Verdict.COPIED), family


def refreshes_end(claims: dict[str, Any], user: User, now: datetime) -> None:
    """No refresh token of this log-in is good any more: also one whose answer was lost."""
    family = _family(claims, user, now)
    family.current, family.replaced = "", []
    family.save(update_fields=["current", "replaced"])


def refresh_of(family: RefreshFamily, user: User) -> str:
    """The family's current token, signed: as long as there is no newer one, always the same."""
    token = tokens.new(tokens.REFRESH, user, family.pk, user.came_by)
    token["jti"] = family.current
    token.set_iat(at_time=family.since)
    token.set_exp(from_time=family.since)
    return str(token)


def _family(claims: dict[str, Any], user: User, now: datetime) -> RefreshFamily:
    """The row of the token's log-in, locked; made by the first refresh (a log-in that never asks has none)."""
    family = RefreshFamily.objects.select_for_update().filter(pk=claims["login"]).first()
    if family is not None:
        return family
    # Where version 0.2.0 wrote down the tokens that it had replaced.
    was_replaced = BlacklistedToken.objects.filter(token__jti=claims["jti"]).exists()
    fields = {
        "user": user,
        "current": uuid.uuid4().hex if was_replaced else claims["jti"],
        "since": now,
        "expires_at": now + tokens.REFRESH.lifetime,
    }
    family, _ = RefreshFamily.objects.select_for_update().get_or_create(pk=claims["login"], defaults=fields)
    return family


def _replace(family: RefreshFamily, now: datetime) -> None:
    oldest = now - timedelta(seconds=REPEAT_S)
    known = [(jti, at) for jti, at in family.replaced if at >= oldest.timestamp()]
    family.replaced = [*known, (family.current, now.timestamp())][-REPEATS:]
    family.current = uuid.uuid4().hex
    # Whole seconds, as a token says them: the same token is made from the row again.
    family.since = datetime.fromtimestamp(int(now.timestamp()), UTC)
    family.expires_at = family.since + tokens.REFRESH.lifetime
    family.save(update_fields=["current", "replaced", "since", "expires_at"])
