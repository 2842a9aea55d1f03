"""The directory: people by the beginning of a name, in pages, from an index; and who is not in it."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts import directory, profiles, services
from accounts.directory import directory_page, people_named
from accounts.expired import expired_clear
from accounts.models import User
from chat.selectors import user_ref
from chat.services import group_open, membership_join
from reaktor.config.model import Limits, Rate
from reaktor.errors import InvalidError
from tests.support.databases import channel_of
from tests.support.plans import plans_of, prefer_indexes
from tests.support.rest import Rest, error_code, logged_in, register, set_limits

pytestmark = pytest.mark.django_db


def found(search: str, **options: object) -> list[str]:
    return [person["username"] for person in directory_page(search, **options)["results"]]  # type: ignore[arg-type]


def store(*names: str, **fields: object) -> None:
    for name in names:
        User.objects.create(username=name, password="!", **fields)


@pytest.mark.database
def test_people_are_found_by_the_beginning_of_either_name_whatever_its_case_and_accents() -> None:
    store("ada", "adam", "bob", "zoe")
    profiles.profile_update(User.objects.get(username="bob"), display_name="Ádám Novák")
    profiles.profile_update(User.objects.get(username="zoe"), display_name="Élodie")
    assert found("AD") == ["ada", "adam", "bob"]
    assert found("elo") == found("Élo") == ["zoe"]
    assert found("nov") == []
    assert found("a%") == found("a_") == []


@pytest.mark.parametrize("search", ["", "a", " a ", "á"])
def test_less_than_two_characters_find_nobody(search: str) -> None:
    with pytest.raises(InvalidError):
        directory_page(search)


@pytest.mark.database
def test_pages_hold_everybody_once_in_order() -> None:
    store(*(f"tea{number:02}" for number in range(25)))
    for number in range(0, 25, 2):
        profiles.profile_update(User.objects.get(username=f"tea{number:02}"), display_name=f"Tea drinker {number:02}")
    store(*(f"bob{number:02}" for number in range(9)))
    for number in range(9):
        profiles.profile_update(User.objects.get(username=f"bob{number:02}"), display_name=f"TEA{number}")
    pages, cursor = [], None
    while True:
        page = directory_page("tea", cursor=cursor, limit=7)
        pages.append([person["username"] for person in page["results"]])
        cursor = page["next"]
        if cursor is None:
            break
    names = [name for page in pages for name in page]
    assert len(names) == len(set(names)) == 34
    assert [len(page) for page in pages] == [7, 7, 7, 7, 6]


@pytest.mark.parametrize("cursor", ["x", ".", "YQ.zz", f"!.{'0' * 32}"])
def test_a_cursor_of_nowhere_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidError):
        directory_page("tea", cursor=cursor)


def test_who_is_deleted_or_switched_off_is_not_there() -> None:
    store("tea1", "tea2", "tea3")
    services.user_disable(User.objects.get(username="tea1"))
    assert found("tea") == ["tea2", "tea3"]
    assert people_named(["tea1", "TEA2", "nobody", "\x00"]) == people_named(["tea2"])
    rest = logged_in(register("ada"))
    assert rest.get("/api/v1/users/tea1")[0] == 404


def test_a_new_name_is_found_and_the_old_one_is_not() -> None:
    services.user_rename(register("ada"), username="lovelace")
    assert (found("lo"), found("ad")) == (["lovelace"], [])


def test_rows_of_a_version_before_are_found_after_the_next_clearing() -> None:
    store("tea1", "tea2")
    User.objects.update(search_name=None)
    assert found("tea") == []
    assert expired_clear(timezone.now())["names put into the directory"] == 2
    assert found("tea") == ["tea1", "tea2"]


@pytest.mark.database
def test_an_upgrade_fills_what_is_there_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    store(*(f"tea{number}" for number in range(5)), display_name="Élodie")
    User.objects.update(search_name=None, search_display=None)
    migration = importlib.import_module("accounts.migrations.0007_directory_rows")
    monkeypatch.setattr(migration, "BATCH", 2)
    migration.fill(apps, connection.schema_editor(atomic=False))
    assert found("tea") == sorted(found("elodie")) == [f"tea{number}" for number in range(5)]


@pytest.mark.database
def test_the_directory_reads_ranges_of_its_indexes_alone() -> None:
    store(*(f"tea{number}" for number in range(9)), display_name="Tea")
    cursor = directory_page("tea", limit=3)["next"]
    prefer_indexes()
    for call in (
        lambda: directory_page("tea"),
        lambda: directory_page("tea", cursor=cursor, limit=3),
        lambda: directory_page("tea", shown=lambda ids: set(ids)),
    ):
        plans = plans_of(call)
        assert len(plans) == 3
        for (sql, plan), index in zip(plans, ("user_search_name", "user_search_display", ""), strict=True):
            assert index in plan, (sql, plan)
            assert "Seq Scan" not in plan, (sql, plan)
            assert "SCAN accounts_user" not in plan, (sql, plan)
            assert not index or ("Sort" not in plan and "TEMP B-TREE" not in plan), (sql, plan)
    (plan,) = plans_of(directory.directory_fill)
    assert "user_unsearched" in plan[1]


def test_over_rest_it_takes_a_search_or_names_and_counts_searches() -> None:
    store("tea1", "tea2")
    rest = logged_in(register("ada"))
    assert [each["username"] for each in rest.get("/api/v1/users?search=te")[1]["results"]] == ["tea1", "tea2"]
    body = rest.get("/api/v1/users?names=TEA2,ada,nobody")[1]
    assert sorted(each["username"] for each in body["results"]) == ["ada", "tea2"]
    for query in ("", "?search=te&names=ada", "?search=t", f"?names={','.join(['ada'] * 51)}"):
        assert error_code(rest.get(f"/api/v1/users{query}")[1]) == "invalid", query
    assert Rest().get("/api/v1/users?search=te")[0] == 401
    set_limits(replace(Limits(), directory=Rate(2, 60)))
    assert [rest.get("/api/v1/users?search=te")[0] for _ in range(3)] == [200, 200, 429]
    assert rest.get("/api/v1/users?names=ada")[0] == 200


@pytest.mark.database
def test_where_it_is_for_those_who_share_a_channel_others_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, *others = (register(name) for name in ("teaada", "teabob", "teacat", "teadan", "teaeve"))
    _, cat, dan, _ = others
    chat = apps.get_app_config("chat")
    monkeypatch.setattr(chat, "config", replace(chat.config, directory="shared"))
    rest = logged_in(ada)

    def seen() -> list[str]:
        return [each["username"] for each in rest.get("/api/v1/users?search=tea")[1]["results"]]

    assert seen() == ["teaada"], "General, Programming and Random are everybody's"
    group_open(user=user_ref(ada), usernames=["teabob"])
    key = channel_of(user_ref(cat), "sharedroom")
    membership_join(user=user_ref(ada), key=key)
    assert seen() == ["teaada", "teabob", "teacat"]
    assert rest.get("/api/v1/users/teadan")[1]["id"] == str(dan.pk), "whoever knows the name may look"
    monkeypatch.setattr(directory, "LOOKED_AT", 2)
    first = rest.get("/api/v1/users?search=tea")[1]
    assert [each["username"] for each in first["results"]] == ["teaada", "teabob"]
    second = rest.get(f"/api/v1/users?search=tea&cursor={first['next']}")[1]
    assert [each["username"] for each in second["results"]] == ["teacat"]
    last = rest.get(f"/api/v1/users?search=tea&cursor={second['next']}")[1]
    assert (last["results"], last["next"]) == ([], None)
