"""Who may have a name that looks like another one: at every door, one after another, beside workers of before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import transaction
from django.forms import modelform_factory

from accounts import deletion, names, services
from accounts.admin import AccountForm, CreationForm
from accounts.claims import name_claim, names_fill
from accounts.importing import OldAccount, users_import
from accounts.models import FormerName, User
from accounts.selectors import user_called, user_named
from reaktor.errors import InvalidError, NameTakenError, NotAuthenticatedError
from tests.support.plans import plans_of, prefer_indexes
from tests.support.rest import PASSWORD, Rest, error_code, logged_in, register
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SCOPE = "\u0455\u0441\u043e\u0440\u0435"
"""scope in Cyrillic letters."""
ADMINISTRATOR = "entirely another 7"

WAYS: dict[str, Callable[[str], object]] = {
    "registering": lambda name: services.user_register(username=name, password=PASSWORD, strict=True),
    "renaming": lambda name: services.user_rename(register("bobby"), username=name),
    "storing": lambda name: services.user_store(User(username=name)),
    "prepare": lambda name: services.administrator_ensure(username=name, password=ADMINISTRATOR),
    "createsuperuser": lambda name: createsuperuser(name),
    "a new account in the admin": lambda name: in_admin(CreationForm, name),
    "an account in the admin": lambda name: in_admin(AccountForm, name, register("bobby")),
}


def createsuperuser(name: str) -> None:
    call_command("createsuperuser", username=name, interactive=False, verbosity=0)


def in_admin(kind: type[AccountForm] | type[CreationForm], name: str, user: User | None = None) -> None:
    made = modelform_factory(User, form=kind, fields=["username"])
    form = made({"username": name, "password1": ADMINISTRATOR, "password2": ADMINISTRATOR}, instance=user)
    form.full_clean()
    if "username" in form.errors:
        raise ValidationError(form.errors["username"])


def insert_as_old_code(name: str) -> User:
    """A row as a worker of before writes it."""
    user = User.objects.create(username=name, password="!")
    User.objects.filter(pk=user.pk).update(username_folded=None, username_skeleton=None)
    return user


REFUSALS = (NameTakenError, InvalidError, CommandError, ValidationError)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("known", "wanted"), [("Scope", SCOPE), (SCOPE.upper(), "scope"), ("Yılmaz", "yilmaz")])
def test_a_name_that_looks_like_anothers_is_taken_at_every_door(
    way: Callable[[str], object], known: str, wanted: str
) -> None:
    register(known)
    with pytest.raises(REFUSALS):
        way(wanted)
    assert not User.objects.filter(username=names.stored(wanted)).exists()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_freed_name_holds_against_its_look_alikes(way: Callable[[str], object]) -> None:
    gone, renamed = register("scope"), register("Ольга")
    deletion.user_delete(gone, password=PASSWORD)
    services.user_rename(renamed, username="Olga2")
    for name in (SCOPE, "scope", "ОЛЬГА"):
        with pytest.raises(REFUSALS):
            way(name)
        User.objects.filter(username="bobby").delete()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    "name", ["system", "adm1n", "\u043d\u0435\u0433\u0435", "everyone", "a", "a\u200bb", "\u0430dmin"]
)
def test_reserved_and_impossible_names_are_refused_at_every_door_but_the_lowest(
    way: Callable[[str], object], name: str
) -> None:
    if way is WAYS["storing"]:
        return  # its callers have asked
    with pytest.raises(REFUSALS):
        way(name)


@pytest.mark.parametrize("way", ["prepare", "createsuperuser"])
def test_at_the_machine_an_administrator_may_be_called_admin(way: str) -> None:
    WAYS[way]("Admin")
    assert User.objects.get(username="Admin").is_superuser


@pytest.mark.parametrize("way", ["registering", "renaming", "a new account in the admin", "an account in the admin"])
def test_nobody_else_may(way: str) -> None:
    for name in ("admin", "Moderator"):
        with pytest.raises(REFUSALS):
            WAYS[way](name)
        User.objects.filter(username="bobby").delete()


def test_an_account_from_before_keeps_a_name_that_is_reserved_now() -> None:
    old = User.objects.create(username="everyone", password="!")
    services.password_set(old, PASSWORD)
    assert services.user_authenticate(username="EVERYONE", password=PASSWORD, address="192.0.2.1").pk == old.pk
    body = {"name": "everyone", "password": PASSWORD}
    assert Rest().post("/auth/login", body)[0] == 200
    again = User.objects.get(pk=old.pk)
    in_admin(AccountForm, "everyone", again)
    assert services.user_rename(again, username="Everyone").username == "Everyone"


SPELLINGS = {
    "Ёжик": "ёЖИК", "José": "JOSE\u0301", "田中さん": "田中さん", "\uff21da": "ada", "Strauß": "strauss",
    "محمد": "محمد",
}  # fmt: skip


@pytest.mark.parametrize(("name", "other"), SPELLINGS.items(), ids=ascii)
def test_a_name_of_any_script_is_registered_logs_in_and_is_found_in_any_spelling(name: str, other: str) -> None:
    body = {"username": name, "password": PASSWORD}
    status, made = Rest().post("/api/v1/accounts", body)
    assert (status, made["user"]["username"]) == (201, names.stored(name))
    assert Rest().post("/api/v1/tokens", {**body, "username": other})[0] == 200
    assert Rest().post("/auth/login", {"name": other, "password": PASSWORD})[0] == 200
    found = user_named(other)
    assert found is not None
    assert str(found.pk) == made["user"]["id"]


def test_over_rest_it_is_a_name_that_is_taken_and_a_wrong_one_is_explained() -> None:
    register("scope")
    status, body = Rest().post("/api/v1/accounts", {"username": SCOPE, "password": PASSWORD})
    assert (status, error_code(body)) == (409, "name_taken")
    for name, words in (("a\u0431", names.RULE), ("h\u0435re", names.RULE), ("HERE", "That name is not allowed.")):
        status, body = Rest().post("/api/v1/accounts", {"username": name, "password": PASSWORD})
        assert (status, error_code(body), body["error"]["message"]) == (400, "invalid", words)
        assert "username" in body["error"]["fields"]
    ada = logged_in(register("ada"))
    assert ada("PATCH", "/api/v1/me", {"username": SCOPE})[0] == 409
    assert ada("PATCH", "/api/v1/me", {"username": "channel"})[0] == 400
    assert ada("PATCH", "/api/v1/me", {"username": "Ада"})[1]["username"] == "Ада"


def test_the_seed_keeps_its_narrower_rule_and_its_words() -> None:
    register("\u0440\u0430\u0443\u0440\u0430\u04cf")
    for name, status, words in (
        ("ab", 400, "The name ab is too short. (min 3. characters)"),
        ("Ёжик", 400, "Name must be numbers or letter a-z only"),
        ("a_b", 400, "Name must be numbers or letter a-z only"),
        ("\u0430dmin", 400, "Name must be numbers or letter a-z only"),
        ("Admin", 400, "That name is not allowed"),
        ("adm1n", 400, "That name is not allowed"),
        ("You", 400, "That name is not allowed"),
        ("paypal", 409, "User with name already exists"),
    ):
        answer = Rest().post("/auth/register", {"name": name, "password": PASSWORD})
        assert (answer[0], answer[1]["error"]) == (status, words)


def test_an_import_gives_another_name_to_who_looks_like_somebody() -> None:
    register("scope")
    wanted = (SCOPE, "admin", "Ирина", "ирина", "\uff21nna", "paypal", "\u0440\u0430\u0443\u0440\u0430\u04cf")
    found = users_import([OldAccount(name) for name in wanted])
    kept = {name for name, account in found.items() if account.username == name}
    assert kept == {"Ирина", "paypal"}
    assert len({account.id for account in found.values()}) == 7
    assert {name: each.id for name, each in users_import([OldAccount(name) for name in found]).items()} == {
        name: each.id for name, each in found.items()
    }


def test_a_row_that_old_code_wrote_is_found_and_its_look_counts() -> None:
    """An upgrade leaves workers of before for a while, which know nothing of the columns."""
    old = insert_as_old_code("scope")
    assert user_named("SCOPE") == old
    with pytest.raises(NameTakenError):
        register(SCOPE)
    register("another")
    old.refresh_from_db()
    assert (old.username_folded, old.username_skeleton) == ("scope", names.skeleton("scope"))


def test_a_rename_by_old_code_leaves_nobody_under_two_names() -> None:
    user = register("Ёжик")
    User.objects.filter(pk=user.pk).update(username="scope")
    FormerName.objects.create(folded="ежик2", user=user, since=user.created_at, until=user.created_at)
    assert user_named("ёжик") is None
    assert user_named("scope") == user
    with pytest.raises(NameTakenError):
        register(SCOPE)
    assert register("Ёжик").pk != user.pk


def test_filling_says_how_many_and_may_be_repeated() -> None:
    for number in range(3):
        insert_as_old_code(f"user{number}")
    with transaction.atomic():
        assert names_fill() == 3
        assert names_fill() == 0


def test_the_migration_fills_what_there_is_in_batches_and_may_be_run_again() -> None:
    migration = import_module("accounts.migrations.0006_names_filled")
    count = 2 * migration.BATCH + 1
    User.objects.bulk_create(User(username=f"Person{number}", password="!") for number in range(count))
    User.objects.update(username_folded=None, username_skeleton=None)
    kept = insert_as_old_code("kept")
    User.objects.filter(pk=kept.pk).update(username_skeleton="as it was")
    FormerName.objects.create(folded="scope", user=kept, since=kept.created_at, until=kept.created_at)
    for _ in range(2):
        migration.fill_former_names(apps, None)
        migration.fill_users(apps, None)
        found = User.objects.exclude(pk=kept.pk).values_list("username", "username_folded", "username_skeleton")
        assert all((folded, look) == (name.lower(), names.skeleton(name)) for name, folded, look in found)
        assert len(found) == count
    assert User.objects.get(pk=kept.pk).username_skeleton == "as it was"
    assert FormerName.objects.values_list("name", "skeleton").get() == ("scope", names.skeleton("scope"))


@pytest.mark.parametrize("name", ["\x00", "\ud800", "a" * 1000, "", "\u202e", "﷽" * 30])
def test_impossible_names_are_nobodys_and_ask_nothing_wrong(name: str) -> None:
    assert user_called(name) is None
    with pytest.raises(NotAuthenticatedError):
        services.user_authenticate(username=name, password=PASSWORD, address="192.0.2.1")


def test_names_are_found_by_indexes() -> None:
    register("ada")
    prefer_indexes()
    for call in (lambda: user_named("ada"), lambda: user_named("Ёжик"), lambda: claim("Ёжик")):
        for sql, plan in plans_of(call):
            assert "SCAN accounts_user" not in plan, sql
            assert "Seq Scan" not in plan, f"{sql}\n{plan}"


def claim(name: str) -> None:
    with transaction.atomic():
        name_claim(name)


@pytest.mark.django_db(transaction=True)
def test_of_look_alikes_that_are_registered_at_once_one_wins() -> None:
    looks = ("scope", SCOPE, SCOPE.upper(), "ѕсоре".upper())
    results = at_once(*(partial(register, name) for name in looks))
    assert sum(isinstance(each, User) for each in results) == 1
    assert sum(isinstance(each, NameTakenError) for each in results) == 3
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_a_rename_and_a_registration_that_look_alike_one_wins() -> None:
    for number in range(4):
        rename = partial(services.user_rename, register(f"ada{number}"), username=f"{SCOPE}{number}")
        results = at_once(rename, partial(register, f"scope{number}"))
        assert sum(isinstance(each, User) for each in results) == 1, results
