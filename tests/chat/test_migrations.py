"""Migrations: what a new database begins with, what an older one is told, and the rule for those that come.

The rule: old and new workers live side by side on the new tables, so migrations add, and what they add old code need
not know. Its reasons: docs/deployment.md, "Upgrades". The first migrations of each app made the first version.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, CharField, Field, Index, TextField, UniqueConstraint
from django.test.utils import CaptureQueriesContext

from reaktor.db.indexes import AddIndexBeside, DropForeignKeyIndex
from tests.reaktor.test_settings import finish, start
from tests.support.databases import own_database, postgresql_url

OURS = {"accounts": 1, "chat": 2}
"""How many migrations of each app made the first version."""
REMOVED_IN_TWO_STEPS: frozenset[str] = frozenset()
"""`app.Model.field` or `app.Model` that the release before last already did not use: the only ones to be removed."""

STOPPED_FOR = frozenset({"chat.0018_groups"})
"""Of a release that one comes to by stop and start (docs/deployment.md, "Upgrades"): old code can't read a group."""

INDEXED_IN_A_MOMENT = frozenset({"chat.auditentry"})
"""Tables for which nobody waits long: a row for each deed of a moderator."""


def later_migrations() -> Iterator[tuple[str, str, list[Operation]]]:
    """(app, migration, operations) of everything after the first version, but for STOPPED_FOR."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if app in OURS and int(name[:4]) > OURS[app] and f"{app}.{name}" not in STOPPED_FOR:
            yield app, name, migration.operations


def objections(app: str, operations: list[Operation]) -> list[str]:
    """Why old code would stumble over one migration. Whatever is done to a table that it creates itself is right."""
    created = {operation.name_lower for operation in operations if isinstance(operation, migrations.CreateModel)}
    return [
        why
        for operation in operations
        if getattr(operation, "model_name_lower", "") not in created and (why := objection(app, operation))
    ]


def is_unseen_by_old_code(field: Field) -> bool:  # type: ignore[type-arg]
    """Whether an INSERT that does not name the column is accepted."""
    return field.null or field.db_default is not NOT_PROVIDED or field.many_to_many


def objection(app: str, operation: Operation) -> str | None:
    """Why old code would stumble over it, or None."""
    if isinstance(operation, migrations.AddField):
        if not is_unseen_by_old_code(operation.field):
            return f"{operation.model_name}.{operation.name} is neither nullable nor has it a db_default"
    elif isinstance(operation, migrations.RemoveField):
        if f"{app}.{operation.model_name}.{operation.name}" not in REMOVED_IN_TWO_STEPS:
            return f"{operation.model_name}.{operation.name} may still be read by old code"
    elif isinstance(operation, migrations.DeleteModel):
        if f"{app}.{operation.name}" not in REMOVED_IN_TWO_STEPS:
            return f"{operation.name} may still be read by old code"
    elif isinstance(operation, migrations.RenameField | migrations.RenameModel | migrations.AlterModelTable):
        return "old code knows only the old name"
    elif isinstance(operation, migrations.AddConstraint | migrations.AlterUniqueTogether):
        return "old code may write rows that a new constraint refuses"
    elif isinstance(operation, DropForeignKeyIndex):
        return None
    elif isinstance(operation, migrations.AlterField) and not is_unseen_by_old_code(operation.field):
        return f"{operation.model_name}.{operation.name} may have become narrower"
    elif (
        isinstance(operation, migrations.AddIndex)
        and not isinstance(operation, AddIndexBeside)
        and f"{app}.{operation.model_name}" not in INDEXED_IN_A_MOMENT
    ):
        return f"{operation.model_name} can't be written to until the index is made: AddIndexBeside"
    return None


def test_later_migrations_only_add_what_old_code_need_not_know() -> None:
    found = [
        f"{app}.{name}: {why}" for app, name, operations in later_migrations() for why in objections(app, operations)
    ]
    assert found == []


TEXT = TextField(null=True)
BY_TEXT = Index(fields=["text"], name="text")


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("message", "text", CharField(max_length=8, default="")),
        migrations.AlterField("message", "text", CharField(max_length=8)),
        migrations.RemoveField("message", "text"),
        migrations.DeleteModel("Message"),
        migrations.RenameField("message", "text", "body"),
        migrations.AddConstraint("message", UniqueConstraint(fields=["text"], name="text")),
        migrations.AddIndex("message", BY_TEXT),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_old_code_would_stumble_over_is_objected_to(operation: Operation) -> None:
    assert objections("chat", [operation])


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("message", "text", TEXT),
        migrations.AddField("message", "text", CharField(max_length=8, db_default="")),
        migrations.AlterField("message", "text", TEXT),
        migrations.CreateModel("Thing", [("text", TEXT)]),
        migrations.AddIndex("auditentry", BY_TEXT),
        AddIndexBeside("message", BY_TEXT),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_old_code_need_not_know_is_not(operation: Operation) -> None:
    assert objections("chat", [operation]) == []


def test_a_new_table_may_get_indexes_and_constraints_in_its_own_migration() -> None:
    new_table = migrations.CreateModel("Thing", [("text", TEXT)])
    operations = [
        migrations.AddIndex("thing", BY_TEXT),
        migrations.AddConstraint("thing", UniqueConstraint(fields=["text"], name="text_once")),
    ]
    assert objections("chat", [new_table, *operations]) == []
    assert len(objections("chat", operations)) == 2


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_an_index_is_made_beside_those_who_write_and_again_where_that_was_interrupted() -> None:
    operation = AddIndexBeside("message", Index(fields=["edited_at"], name="message_edited"))
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    operation.state_forwards("chat", after)
    for _ in range(2 if connection.vendor == "postgresql" else 1):
        with CaptureQueriesContext(connection) as queries, connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("chat", editor, before, after)
    made = [query["sql"] for query in queries if query["sql"].startswith("CREATE INDEX")]
    assert len(made) == 1
    assert ("CONCURRENTLY" in made[0]) == (connection.vendor == "postgresql")
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("chat", editor, after, before)
    with connection.cursor() as cursor:
        assert "message_edited" not in connection.introspection.get_constraints(cursor, "chat_message")


def indexes_of_messages() -> dict[str, list[str]]:
    """The columns of each index that is not there for uniqueness."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "chat_message")
    return {name: each["columns"] for name, each in found.items() if each["index"] and not each["unique"]}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_the_index_of_a_foreign_key_is_dropped_alone_and_comes_back() -> None:
    """Each post was written into two indexes that nobody needed."""
    kept = {
        "message_author": ["author_id", "created_at"],
        "message_flow": ["channel_id", "number"],
        "message_reply": ["reply_to_id"],
        "message_thread": ["thread_id", "number"],
    }
    assert indexes_of_messages() == kept
    loader = MigrationLoader(connection)
    first, second = loader.get_migration("chat", "0008_message_indexes").operations
    # The tables of today, with these fields as they were: SQLite makes a table anew by what it is told of it.
    old = loader.project_state(("chat", "0007_purge")).models["chat", "message"].fields
    states = [loader.project_state()]
    for operation in (second, first):
        states.insert(0, states[0].clone())
        states[0].models["chat", "message"].fields[operation.name] = old[operation.name]
        states[0].reload_model("chat", "message")
    for operation, after, before in ((second, states[2], states[1]), (first, states[1], states[0])):
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("chat", editor, after, before)
    assert sorted(indexes_of_messages().values()) == sorted([*kept.values(), ["channel_id"], ["author_id"]])
    for operation, before, after in ((first, states[0], states[1]), (second, states[1], states[2])):
        with CaptureQueriesContext(connection) as queries, connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("chat", editor, before, after)
        said = [query["sql"] for query in queries if query["sql"].startswith(("CREATE", "ALTER", "DROP", "INSERT"))]
        assert [each.split()[:2] for each in said] == [["DROP", "INDEX"]]
    assert indexes_of_messages() == kept


# An older database


POSTGRESQL = postgresql_url()


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRESQL else [])])
def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database as a version before 0.2.0 leaves it: tables, and the first migration marked as done."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/chat.sqlite3"
        assert manage("migrate", "chat", "0001", url=url, data_dir=tmp_path)[0] == 0
        yield url
        return
    with own_database(str(POSTGRESQL), f"reaktor_old_{os.getpid()}") as url:
        assert manage("migrate", "chat", "0001", url=url, data_dir=tmp_path)[0] == 0
        yield url


def manage(*words: str, url: str, data_dir: Path) -> tuple[int, str]:
    """(exit code, what it said) of a management command on that database."""
    return finish(start("manage.py", *words, settings="local", DATABASE_URL=url, DATA_DIR=str(data_dir)))


def run_sql(url: str, statement: str) -> list[tuple[object, ...]]:
    """What one statement returns, if anything, outside of Django."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as lite:
            return lite.execute(statement).fetchall()
    with psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as server:
        cursor = server.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_database_without_all_of_todays_tables_is_refused_in_one_sentence(old_database: str, tmp_path: Path) -> None:
    run_sql(old_database, "DROP INDEX message_reply")
    run_sql(old_database, "ALTER TABLE chat_channel DROP COLUMN frozen_at")
    run_sql(old_database, "DROP TABLE chat_deletion")
    code, said = manage("prepare", url=old_database, data_dir=tmp_path)
    assert (code, "Traceback" in said) == (1, False), said
    assert "A version before 0.2.0 made this database" in said
    assert "lacks chat_channel.frozen_at, chat_deletion, chat_message.message_reply: begin with a new database" in said


def test_a_database_with_all_of_todays_tables_goes_on_with_its_rows(old_database: str, tmp_path: Path) -> None:
    epoch = "018f0000000070008000000000000000"
    run_sql(old_database, f"INSERT INTO chat_history (id, epoch) VALUES (1, '{epoch}')")
    code, said = manage("prepare", url=old_database, data_dir=tmp_path)
    assert code == 0, said
    assert [str(row[0]).replace("-", "") for row in run_sql(old_database, "SELECT epoch FROM chat_history")] == [epoch]
    assert run_sql(old_database, "SELECT count(*) FROM chat_channel") == [(0,)], "what was deleted stays deleted"
