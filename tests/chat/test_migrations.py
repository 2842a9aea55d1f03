"""Migrations that old and new workers can live with side by side: they add, and what they add old code need not know.

The rule, with its reasons: docs/deployment.md, "Upgrades". The first two migrations made the first version.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, Field

OURS = {"accounts": 1, "chat": 2}
"""How many migrations of each app made the first version."""
REMOVED_IN_TWO_STEPS: frozenset[str] = frozenset()
"""`app.Model.field` or `app.Model` that the release before last already did not use: the only ones to be removed."""


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
    return None


def test_later_migrations_only_add_what_old_code_need_not_know() -> None:
    found = [
        f"{app}.{name}: {why}" for app, name, operation in later_operations() if (why := objection(app, operation))
    ]
    assert found == []


@pytest.mark.parametrize("app", OURS)
def test_the_rule_sees_something(app: str) -> None:
    assert [name for found, name, _ in later_operations() if found == app]
