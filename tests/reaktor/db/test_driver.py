"""Statements past Django's cursor: the same rows, the same errors, the same transaction; and who counts sees them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from reaktor.db import driver
from reaktor.db.columns import uuid_to_column

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
NAMES = "SELECT id, username, created_at, is_active FROM accounts_user WHERE username IN (%s, %s) ORDER BY username"


def _as_django_does(statement: str, parameters: list[object]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def test_the_rows_are_those_of_djangos_cursor() -> None:
    for name in ("ada", "bob", "eve"):
        User.objects.create(username=name)
    found = driver.select(NAMES, ["ada", "eve"])
    assert [row[1] for row in found] == ["ada", "eve"]
    assert found == _as_django_does(NAMES, ["ada", "eve"])
    assert isinstance(found[0][2], datetime)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_many_rows_are_changed_at_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "POSTGRESQL_PARAMETERS", 50)
    users = [User.objects.create(username=f"user{number}") for number in range(count + 1)]
    at = connection.ops.adapt_datetimefield_value(datetime(2020, 1, 1, tzinfo=UTC))
    changed = [(at, f"renamed{number}", uuid_to_column(user.id)) for number, user in enumerate(users[:count])]
    driver.update_rows("accounts_user", ("created_at", "username"), changed)
    assert User.objects.filter(created_at__year=2020).count() == count
    assert set(User.objects.values_list("username", flat=True)) == {f"user{count}"} | {name for _, name, _ in changed}


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_many_rows_are_inserted_at_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "POSTGRESQL_PARAMETERS", 50)
    rows = [(number, f"word{number}", None if number % 2 else "reject") for number in range(1, count + 1)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE few (id bigint PRIMARY KEY, word text NOT NULL, action text)")
        driver.insert_rows("few", ("id", "word", "action"), rows)
        assert driver.select("SELECT id, word, action FROM few ORDER BY id") == rows
        if rows:
            with pytest.raises(IntegrityError):
                driver.insert_rows("few", ("id", "word", "action"), rows[:1])
        transaction.set_rollback(True)


def test_errors_are_djangos_own() -> None:
    user = User.objects.create(username="ada")
    twice = "INSERT INTO accounts_user SELECT * FROM accounts_user WHERE id = %s"
    with pytest.raises(IntegrityError):
        driver.select(twice, [uuid_to_column(user.id)])
    with pytest.raises((OperationalError, ProgrammingError)):
        driver.select("SELECT nothing FROM nowhere")
    with pytest.raises((IntegrityError, DataError)):
        driver.update_rows("accounts_user", ("username",), [(None, uuid_to_column(user.id))])


def test_it_belongs_to_the_transaction_that_is_open() -> None:
    user = User.objects.create(username="ada")
    with transaction.atomic():
        driver.update_rows("accounts_user", ("is_active",), [(False, uuid_to_column(user.id))])
        transaction.set_rollback(True)
    user.refresh_from_db()
    assert user.is_active


def test_a_broken_transaction_refuses_it_as_it_refuses_the_orm() -> None:
    """Else PostgreSQL would refuse it in its own words, and SQLite would carry it out."""
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            driver.select("SELECT 1")


def test_it_opens_a_connection_that_is_closed() -> None:
    connection.close()
    assert driver.select("SELECT 1") == [(1,)]


def test_whoever_counts_queries_sees_them() -> None:
    with CaptureQueriesContext(connection) as captured:
        driver.select("SELECT 1")
        driver.update_rows("accounts_user", ("is_active",), [(True, uuid_to_column(uuid.uuid4()))])
    assert len(captured) == 2
