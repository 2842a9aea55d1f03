"""Reads of users, and of the rows that there is one of: the epoch of the history, the name of the cluster."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Lower

from accounts.models import User
from chat.domain.ids import UserId, UserRef
from chat.models import ClusterIdentity, ClusterLease
from reaktor.db import driver
from reaktor.db.columns import uuid_text

AUTHORITY = "authority"
"""The duty of deciding who is where, in the rows of the lease."""


def users_named(names: Iterable[str]) -> dict[str, UserRef]:
    """The active users with these lower-cased names, by lower-cased name. One query, none for no names."""
    wanted = list(names)
    if not wanted:
        return {}
    query = User.objects.annotate(folded=Lower("username")).filter(folded__in=wanted, is_active=True)
    return {
        folded: UserRef(UserId(str(pk)), username, is_staff)
        for folded, pk, username, is_staff in query.values_list("folded", "id", "username", "is_staff")
    }


def user_ref(user: User) -> UserRef:
    return UserRef(UserId(str(user.id)), user.username, user.is_staff)


def history_epoch() -> str:
    """The epoch of this database's history."""
    ((epoch,),) = driver.select("SELECT epoch FROM chat_history WHERE id = 1")
    return uuid_text(epoch)


def authority_mandate() -> tuple[int, str]:
    """Epoch and term of whoever holds the lease to decide who is where; (0, "") before anybody did."""
    found = ClusterLease.objects.filter(duty=AUTHORITY).values_list("epoch", "term").first()
    return found or (0, "")


def cluster_id() -> str:
    """The name of the cluster that works on this database. Raises ClusterIdentity.DoesNotExist before its migration."""
    return str(ClusterIdentity.objects.values_list("cluster_id", flat=True).get(pk=1))
