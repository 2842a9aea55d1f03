"""Reads of users, and of the rows that there is one of: the epoch of the history, the name of the cluster."""

from __future__ import annotations

from collections.abc import Iterable

from accounts import names
from accounts.models import User
from chat.domain.ids import UserId, UserRef
from chat.models import ClusterIdentity, ClusterLease
from reaktor.db import driver
from reaktor.db.columns import uuid_text, uuid_to_column

AUTHORITY = "authority"
"""The duty of deciding who is where, in the rows of the lease."""
NAMES_TOGETHER = 400
"""As parameters of one statement, twice: SQLite takes 999 of them where it was built so."""


def users_named(wanted: Iterable[str]) -> dict[str, UserRef | None]:
    """Whose these folded names are, by folded name; None for an account that is switched off. A query for every
    NAMES_TOGETHER names, none for no names."""
    folded, found = list(wanted), dict[str, UserRef | None]()
    for start in range(0, len(folded), NAMES_TOGETHER):
        query = User.objects.named(folded[start : start + NAMES_TOGETHER])
        for pk, username, is_staff, is_active in query.values_list("id", "username", "is_staff", "is_active"):
            found[names.folded(username)] = UserRef(UserId(str(pk)), username, is_staff) if is_active else None
    return found


def usernames_of(ids: Iterable[str]) -> dict[str, str]:
    """What the accounts with these ids are called. A query for every NAMES_TOGETHER of them."""
    wanted, found = sorted(ids), dict[str, str]()
    for start in range(0, len(wanted), NAMES_TOGETHER):
        part = [uuid_to_column(each) for each in wanted[start : start + NAMES_TOGETHER]]
        places = ", ".join(["%s"] * len(part))
        statement = f"SELECT id, username FROM accounts_user WHERE id IN ({places})"  # noqa: S608  placeholders only
        found.update((uuid_text(pk), name) for pk, name in driver.select(statement, part))
    return found


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
