"""An index on a table that the server goes on writing to, in PostgreSQL and SQLite alike. For migrations.

Use AddIndexBeside instead of Django's AddIndex when a migration adds an index to a table that exists already and may be
big (messages, mentions, reactions, memberships). While PostgreSQL makes a plain index, all writes to the table wait: on
millions of messages nobody can post for minutes. tests/chat/test_migrations.py refuses a plain index there. A table
that the same migration creates is empty, so there AddIndex is right.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import AddIndex, AlterField


class AddIndexBeside(AddIndexConcurrently):
    """AddIndex that nobody waits for: PostgreSQL reads the table while others write to it. SQLite makes it at once.

    Write a migration of its own for it, with `atomic = False`: PostgreSQL can't do it inside a transaction. If it is
    interrupted, run it again: it first drops the invalid index that PostgreSQL has left behind.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)


class DropForeignKeyIndex(AlterField):
    """AlterField to `db_index=False` that drops the index and does nothing else.

    SQLite would copy the whole table for an AlterField; PostgreSQL would hold up all who write. In a migration of its
    own, with `atomic = False`. Backwards it is an AlterField.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if not self.allow_migrate_model(connection.alias, model):
            return
        table, column = model._meta.db_table, model._meta.get_field(self.name).column
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, table)
        beside = "CONCURRENTLY " if connection.vendor == "postgresql" else ""
        for name, each in found.items():
            if each["columns"] == [column] and each["index"] and not (each["unique"] or each["primary_key"]):
                schema_editor.execute(f"DROP INDEX {beside}IF EXISTS {schema_editor.quote_name(name)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)
