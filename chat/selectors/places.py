"""Reads: where sessions were when the authority before this one ended, for who may be put back there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db.models import F

from accounts.models import User
from accounts.standing import accounts_by_id, logins_ended, why_off
from chat.domain.ids import ChannelKey, UserId
from chat.domain.policies import REMOVAL_S
from chat.membership.places import FRESH_S, Place, WorkerPlace, after_the_worker, place_from, worker_place_from
from chat.membership.wire import WireError
from chat.models import KeptPlace, Removal, Sanction
from chat.selectors.moderation import BLOCKING

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOGETHER = 500
"""Rows of a page: so many accounts and log-ins are asked about by one query."""
TakenOut = dict[tuple[UserId, ChannelKey], float]


def worker_places() -> dict[str, WorkerPlace]:
    """What each worker had delivered when it was last heard of, by its key, of those whose word still counts."""
    rows = KeptPlace.objects.filter(key=F("worker"), until__gt=time.time()).values_list("key", "place")
    return {key: place for key, text in rows if (place := _read(worker_place_from, text)) is not None}


def places_page(workers: Mapping[str, WorkerPlace], after: str = "") -> tuple[list[Place], str | None]:
    """Of the next TOGETHER rows those that are not over, each as its session left it, under the user's name of now.

    `after`: where the page before ended, which comes second; None: that was the last one. Without the places of
    accounts that are off, banned, or deleted, and of tokens and log-ins that have ended since; and without the channels
    that a user was taken out of after the loss. Six queries.
    """
    now = time.time()
    rows = list(
        KeptPlace.objects.filter(key__gt=after).order_by("key").values_list("key", "worker", "place")[:TOGETHER]
    )
    found = []
    for key, worker, text in rows:
        if not text or key == worker or (place := _read(place_from, text)) is None:
            continue
        if worker in workers:
            place = after_the_worker(place, workers[worker], now)
        if place.lost_at is not None and place.lost_at + place.keep_s > now:
            found.append(place)
    return list(_standing(found)), rows[-1][0] if len(rows) == TOGETHER else None


def _read(read: Callable[[str], T], text: str) -> T | None:
    """None for what another version wrote: its client begins anew, as all did before there were such rows."""
    try:
        return read(text)
    except WireError as error:
        logger.warning("places: %s", error)
        return None


def _standing(places: Sequence[Place]) -> Iterator[Place]:
    users = accounts_by_id(place.session.user_id for place in places)
    ended = logins_ended(place.credentials.login for place in places if place.credentials.login)
    taken_out = _taken_out(places) if places else {}
    for place in places:
        user = users.get(place.session.user_id)
        if user is not None and _is_good(place, user) and place.credentials.login not in ended:
            yield _as_now(place, user, taken_out)


def _is_good(place: Place, user: User) -> bool:
    is_token_good = place.credentials.token_version == user.token_version
    return is_token_good and user.deleted_at is None and why_off(user) is None


def _as_now(place: Place, user: User, taken_out: TakenOut) -> Place:
    info = place.session
    # The loss may have been that much earlier. Nobody can be back so soon after a kick.
    lost_at = (place.lost_at or 0.0) - FRESH_S
    heads = {key: head for key, head in place.heads.items() if taken_out.get((info.user_id, key), 0.0) < lost_at}
    return replace(place, session=replace(info, username=user.username), heads=heads)


def _taken_out(places: Sequence[Place]) -> TakenOut:
    """When users of these places were last taken out of a channel: by a kick, a ban or a removal, in force or not."""
    users = {place.session.user_id for place in places}
    since = datetime.fromtimestamp(min(place.lost_at or 0.0 for place in places) - FRESH_S, UTC)
    sanctions = Sanction.objects.filter(user_id__in=users, kind__in=BLOCKING, created_at__gte=since)
    found = [
        (user_id, key, created_at.timestamp())
        for user_id, key, created_at in sanctions.exclude(channel=None).values_list(
            "user_id", "channel__key", "created_at"
        )
    ]
    removals = Removal.objects.filter(user_id__in=users, until__gte=since + timedelta(seconds=REMOVAL_S))
    found += [
        (user_id, key, until.timestamp() - REMOVAL_S)
        for user_id, key, until in removals.values_list("user_id", "channel__key", "until")
    ]
    latest: TakenOut = {}
    for user_id, key, at in found:
        place_key = UserId(str(user_id)), ChannelKey(key)
        latest[place_key] = max(at, latest.get(place_key, 0.0))
    return latest
