"""Where people's browsers are reached: a subscription belongs to the log-in that it came with, and ends with it.

Its endpoint is an address that the browser's own service gave it; whoever knows it can use it, so it is shown to nobody
and stands in no log. Which hosts it may name: chat.notices.targets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, TypedDict
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.utils import timezone

from accounts.logins import LoginRef, logins_living
from accounts.models import User
from chat.models import PushSubscription
from chat.notices.targets import Targets
from reaktor.errors import InvalidError
from reaktor.shapes import Time
from reaktor.times import timestamp

MAX_SUBSCRIPTIONS = 10
P256DH_BYTES, AUTH_BYTES = 65, 16


class SubscriptionData(TypedDict):
    """A browser that is told. Its address is shown to nobody."""

    id: Annotated[str, "The SHA-256 of its endpoint, by which its own browser knows it."]
    host: Annotated[str, "The push service."]
    created_at: Time
    is_current: Annotated[bool, "It came with the log-in that asks."]


class Subscription(NamedTuple):
    """What a push is sent to."""

    id: int
    endpoint: str
    p256dh: str
    auth: str


def subscription_put(
    user: User, login: uuid.UUID, *, endpoint: str, p256dh: str, auth: str, targets: Targets
) -> SubscriptionData:
    """Reach this browser from now on, for this log-in. Repeating it renews it; another account's is taken over, since
    the browser is one. Beside more than ten, the one that was renewed longest ago ends. Raises InvalidError.
    """
    targets.check(endpoint)
    _check_keys(p256dh, auth)
    digest, now = hashlib.sha256(endpoint.encode()).hexdigest(), timezone.now()
    with transaction.atomic():
        # One after the other, or two browsers at once would both be the tenth.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        fields = {
            "user": user,
            "login": login,
            "token_version": user.token_version,
            "endpoint": endpoint,
            "p256dh": p256dh,
            "auth": auth,
            "renewed_at": now,
        }
        found, is_new = PushSubscription.objects.update_or_create(
            digest=digest, defaults=fields, create_defaults={**fields, "created_at": now}
        )
        if is_new:
            _make_room(user.pk, now)
    return _data(found, login)


def subscription_end(user_id: uuid.UUID, *, endpoint: str) -> None:
    """Reach this browser no more. One that there is not is as good."""
    digest = hashlib.sha256(endpoint.encode()).hexdigest()
    PushSubscription.objects.filter(user_id=user_id, digest=digest).delete()


def subscriptions_list(user_id: uuid.UUID, login: uuid.UUID) -> list[SubscriptionData]:
    """One's browsers that are still reached, oldest first."""
    found = PushSubscription.objects.filter(user_id=user_id).order_by("id")
    return [_data(each, login) for each in _living(list(found), timezone.now())]


def subscriptions_of(user_ids: Collection[uuid.UUID], now: datetime) -> dict[uuid.UUID, list[Subscription]]:
    """Where these people are reached; what belongs to a log-in that has ended is deleted. Four queries."""
    rows = list(PushSubscription.objects.filter(user_id__in=user_ids).order_by("id"))
    found: dict[uuid.UUID, list[Subscription]] = {}
    living = _living(rows, now)
    for each in living:
        found.setdefault(each.user_id, []).append(Subscription(each.pk, each.endpoint, each.p256dh, each.auth))
    if dead := {each.pk for each in rows} - {each.pk for each in living}:
        PushSubscription.objects.filter(pk__in=dead).delete()
    return found


def subscriptions_forget(ids: Collection[int]) -> None:
    """Their services say that these browsers are gone."""
    PushSubscription.objects.filter(pk__in=ids).delete()


def _make_room(user_id: uuid.UUID, now: datetime) -> None:
    mine = list(PushSubscription.objects.filter(user_id=user_id).order_by("-renewed_at", "-id"))
    kept = {each.pk for each in _living(mine, now)[:MAX_SUBSCRIPTIONS]}
    PushSubscription.objects.filter(pk__in=[each.pk for each in mine if each.pk not in kept]).delete()


def _living(rows: Sequence[PushSubscription], now: datetime) -> list[PushSubscription]:
    if not rows:
        return []
    logins = logins_living([LoginRef(row.user_id, row.login, row.token_version, row.renewed_at) for row in rows], now)
    return [row for row in rows if row.login in logins]


def _data(found: PushSubscription, login: uuid.UUID) -> SubscriptionData:
    return {
        "id": found.digest,
        "host": urlsplit(found.endpoint).hostname or "",
        "created_at": timestamp(found.created_at),
        "is_current": found.login == login,
    }


def _check_keys(p256dh: str, auth: str) -> None:
    """Raises InvalidError: nothing could be encrypted for these."""
    problems = {}
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(p256dh, P256DH_BYTES))
    except ValueError:
        problems["keys.p256dh"] = "a point of P-256, uncompressed, in base64url"
    try:
        _bytes(auth, AUTH_BYTES)
    except ValueError:
        problems["keys.auth"] = "16 bytes in base64url"
    if problems:
        raise InvalidError("These are no keys of a push subscription.", fields=problems)


def _bytes(text: str, count: int) -> bytes:
    """Raises ValueError."""
    try:
        found = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if len(found) != count:
        raise ValueError(f"not {count} bytes")
    return found
