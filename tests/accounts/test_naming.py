"""Names that were given up: kept for whom they belonged to, on every way to a name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import deletion, services
from accounts.expired import expired_clear
from accounts.importing import OldAccount, users_import
from accounts.models import FormerName, User
from accounts.selectors import names_changed, user_called, user_named
from reaktor.errors import NameTakenError
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db

WAYS: dict[str, Callable[[User], object]] = {
    "registering": lambda bob: services.user_register(username="ADA", password=PASSWORD, strict=True),
    "renaming": lambda bob: services.user_rename(bob, username="Ada"),
    "storing": lambda bob: services.user_store(User(username="ada")),
    "an administrator": lambda bob: services.administrator_ensure(username="ada", password="entirely another 7"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_name_that_was_given_up_is_taken_by_nobody_else(way: Callable[[User], object]) -> None:
    """A stranger registered a freed name, and was shown as the author of what its former owner had said."""
    ada, bob = register("ada"), register("bob")
    services.user_rename(ada, username="lovelace")
    with pytest.raises(NameTakenError):
        way(bob)
    assert user_named("ada") is None
    assert User.objects.get(pk=bob.pk).username == "bob"
    assert services.user_rename(ada, username="ADA").pk == ada.pk


def test_over_rest_it_is_a_name_that_is_taken() -> None:
    services.user_rename(register("ada"), username="lovelace")
    status, body = Rest().post("/api/v1/accounts", {"username": "ada", "password": PASSWORD})
    assert (status, error_code(body)) == (409, "name_taken")
    assert logged_in(register("bob"))("PATCH", "/api/v1/me", {"username": "ada"})[0] == 409


def test_after_a_month_it_is_free_and_its_row_is_cleared_away() -> None:
    services.user_rename(register("ada"), username="lovelace")
    (row,) = FormerName.objects.all()
    assert timedelta(days=29) < row.until - timezone.now() <= timedelta(days=30)
    FormerName.objects.update(until=timezone.now())
    assert register("ada").username == "ada"
    assert expired_clear(timezone.now())["names free again"] == 1


def test_who_acts_on_a_name_that_they_still_see_means_whom_it_belonged_to() -> None:
    """A moderator kicked by the name on the screen, and a stranger was thrown out."""
    ada = register("ada")
    services.user_rename(ada, username="lovelace")
    found = user_called("Ada")
    assert found is not None
    assert found.pk == ada.pk
    deletion.user_delete(User.objects.get(pk=ada.pk), password=PASSWORD)
    assert user_called("ada") is None


def test_an_import_that_is_repeated_finds_a_renamed_account_again_and_no_deleted_one() -> None:
    accounts = [OldAccount("ada"), OldAccount("bob")]
    first = users_import(accounts)
    services.user_rename(User.objects.get(username="ada"), username="lovelace")
    services.naming.name_change(User.objects.get(username="bob"), "deletedbob")
    User.objects.filter(username="deletedbob").update(deleted_at=timezone.now())
    again = users_import(accounts)
    assert (again["ada"].id, again["ada"].username) == (first["ada"].id, "lovelace")
    assert again["bob"].id != first["bob"].id


def test_renames_are_listed_with_the_name_of_now() -> None:
    ada, since = register("ada"), timezone.now()
    services.user_rename(ada, username="Lovelace")
    services.user_rename(ada, username="Countess")
    assert names_changed(since) == [("ada", "Countess"), ("Lovelace", "Countess")]
    assert names_changed(timezone.now()) == []


@pytest.mark.django_db(transaction=True)
def test_of_a_rename_and_a_registration_at_once_nobody_gets_the_freed_name() -> None:
    ada = register("ada")
    take, give_up = (lambda: register("ada")), (lambda: services.user_rename(ada, username="lovelace"))
    results = at_once(give_up, take, give_up, take)
    assert not [each for each in results if isinstance(each, User) and each.pk != ada.pk]
