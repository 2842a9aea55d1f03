"""Accounts of the server that this one takes over from: stored under their names, or under others where they can't be.

users_import() may be repeated with the same names: it finds what it made. One name is one account here whatever its
case, and has 3 to 32 letters and digits; who can't keep the name gets another one, always the same.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower

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
    wanted = {account.name: _wanted(account.name) for account in accounts}
    folded = {name.lower() for pair in wanted.items() for name in (pair[1], substitute(pair[0]))}
    known = User.objects.annotate(folded=Lower("username")).filter(folded__in=folded)
    holders = {username.lower(): (pk, username) for pk, username in known.values_list("pk", "username")}
    former = {name: user for name, user in formerly_named(folded).items() if name not in holders}
    made: list[User] = []
    found: dict[str, NewAccount] = {}
    for account in accounts:
        if account.name in found:
            continue
        username = wanted[account.name]
        if (owner := former.get(username.lower())) is not None:
            if owner.deleted_at is None:
                found[account.name] = NewAccount(owner.pk, owner.username, Arrival.KNOWN)
                continue
            username = substitute(account.name)
        holder = holders.get(username.lower())
        if holder is not None and holder[1] != username:
            # Another account's name but for its case.
            username = substitute(account.name)
            holder = holders.get(username.lower())
        if holder is not None:
            found[account.name] = NewAccount(*holder, Arrival.KNOWN)
            continue
        user = _user(account, username)
        made.append(user)
        holders[username.lower()] = (user.pk, username)
        found[account.name] = NewAccount(user.pk, username, Arrival.CREATED)
    if made and not dry_run:
        User.objects.bulk_create(made, batch_size=500)
    return found


def _wanted(name: str) -> str:
    try:
        check_username(name)
    except InvalidError:
        return substitute(name)
    return name


def _user(account: OldAccount, username: str) -> User:
    password = f"{ImportedBcryptHasher.algorithm}${account.bcrypt}" if account.bcrypt else make_password(None)
    return User(id=uuid7(), username=username, password=password, is_active=not account.is_placeholder)
