"""Migrations that old and new workers can live with side by side: they add, and what they add old code need not know.

The rule, with its reasons: docs/deployment.md, "Upgrades". The first two migrations made the first version.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, Field, Index
from django.test.utils import CaptureQueriesContext

from reaktor.db.indexes import AddIndexBeside

OURS = {"accounts": 1, "chat": 2}
"""How many migrations of each app made the first version."""
REMOVED_IN_TWO_STEPS: frozenset[str] = frozenset()
"""`app.Model.field` or `app.Model` that the release before last already did not use: the only ones to be removed."""

INDEXED_IN_A_MOMENT = frozenset({"chat.auditentry"})
"""Tables for which nobody waits long: a row for each deed of a moderator."""


def later_operations() -> Iterator[tuple[str, str, Operation]]:
    """(app, migration, operation) of everything after the first version."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if app in OURS and int(name[:4]) > OURS[app]:
            for operation in migration.operations:
                yield app, name, operation


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
        f"{app}.{name}: {why}" for app, name, operation in later_operations() if (why := objection(app, operation))
    ]
    assert found == []


def test_an_index_for_which_posts_would_wait_is_objected_to() -> None:
    index = Index(fields=["text"], name="text")
    assert objection("chat", migrations.AddIndex("message", index))
    assert objection("chat", AddIndexBeside("message", index)) is None


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


@pytest.mark.parametrize("app", OURS)
def test_the_rule_sees_something(app: str) -> None:
    assert [name for found, name, _ in later_operations() if found == app]
