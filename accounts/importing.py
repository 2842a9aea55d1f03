"""Accounts of the server that this one takes over from: stored under their names, or under others where they can't be.

users_import() may be repeated with the same names: it finds what it made. Who can't keep the name gets another one,
always the same: a name that breaks a rule of accounts.names, is another account's in another spelling, or looks like
another account's.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts import names
from accounts.claims import names_fill, names_lock, neighbours
from accounts.hashers import ImportedBcryptHasher
from accounts.models import User
from accounts.selectors import formerly_named
from accounts.services import check_username
from reaktor.db.ids import uuid7
from reaktor.errors import InvalidError

TRIES = 3


@dataclass(frozen=True, slots=True)
class OldAccount:
    """A name of the old server and its bcrypt hash. `is_placeholder`: it only stands for who wrote something."""

    name: str
    bcrypt: str | None = None
    is_placeholder: bool = False


class Arrival(StrEnum):
    CREATED = "created"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a name became. `arrival`: made now, or there before (by an earlier run, or registered here)."""

    id: uuid.UUID
    username: str
    arrival: Arrival


def substitute(name: str) -> str:
    """The username for a name that can't be kept."""
    stem = re.sub(r"[^A-Za-z0-9]", "", name)[:20] or "imported"
    return f"{stem}x{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def users_import(accounts: Sequence[OldAccount], *, dry_run: bool = False) -> dict[str, NewAccount]:
    """Name → what it became, for some hundred accounts, in one transaction."""
    for _ in range(TRIES - 1):
        # IntegrityError: somebody registered one of the names this moment.
        with suppress(IntegrityError), transaction.atomic():
            return _import(accounts, dry_run)
    with transaction.atomic():
        return _import(accounts, dry_run)


def _import(accounts: Sequence[OldAccount], dry_run: bool) -> dict[str, NewAccount]:
    names_lock()
    names_fill()
    wanted = {account.name: _wanted(account.name) for account in accounts}
    taken = _Taken(name for pair in wanted.items() for name in (pair[1], substitute(pair[0])))
    made: list[User] = []
    found: dict[str, NewAccount] = {}
    for account in accounts:
        if account.name in found:
            continue
        username = wanted[account.name]
        owner = taken.former.get(names.folded(username))
        if owner is not None and owner.deleted_at is None:
            found[account.name] = NewAccount(owner.pk, owner.username, Arrival.KNOWN)
            continue
        if owner is not None or taken.is_of_another(username):
            username = substitute(account.name)
        holder = taken.holders.get(names.folded(username))
        if holder is not None:
            found[account.name] = NewAccount(*holder, Arrival.KNOWN)
            continue
        user = _user(account, username)
        made.append(user)
        taken.add(user)
        found[account.name] = NewAccount(user.pk, username, Arrival.CREATED)
    if made and not dry_run:
        User.objects.bulk_create(made, batch_size=500)
    return found


class _Taken:
    """Who has the names that are wanted, or names that look like them, here and among the accounts that are made."""

    def __init__(self, wanted: Iterable[str]) -> None:
        chosen = set(wanted)
        users = User.objects.named(map(names.folded, chosen)).values_list("pk", "username")
        self.holders = {names.folded(username): (pk, username) for pk, username in users}
        former = formerly_named(chosen)
        self.former = {name: user for name, user in former.items() if name not in self.holders}
        self._alike: defaultdict[str, set[str]] = defaultdict(set)
        for name in neighbours(chosen):
            self._alike[names.skeleton(name)].add(name)

    def is_of_another(self, username: str) -> bool:
        """Whether another account has it in another spelling, or has one that looks like it."""
        holder = self.holders.get(names.folded(username))
        if holder is not None:
            return holder[1] != username
        return any(names.are_confusable(username, other) for other in self._alike.get(names.skeleton(username), ()))

    def add(self, user: User) -> None:
        self.holders[names.folded(user.username)] = (user.pk, user.username)
        self._alike[names.skeleton(user.username)].add(user.username)


def _wanted(name: str) -> str:
    try:
        is_kept = check_username(name) == name
    except InvalidError:
        is_kept = False
    return name if is_kept else substitute(name)


def _user(account: OldAccount, username: str) -> User:
    password = f"{ImportedBcryptHasher.algorithm}${account.bcrypt}" if account.bcrypt else make_password(None)
    return User(id=uuid7(), username=username, password=password, is_active=not account.is_placeholder)
