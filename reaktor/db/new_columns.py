"""A column of a table that the server goes on writing to. For migrations.

Use AddColumn instead of Django's AddField where the column has a db_default and the table may be big. On SQLite Django
writes the whole table anew for a column that is not null: with 1,000,000 accounts nobody could write for 15 s while
five such columns were added. SQLite itself adds a column with a constant default at once.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddField
from django.db.models import NOT_PROVIDED


class AddColumn(AddField):
    """AddField of a column whose db_default is a constant: no row is touched, in either database."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        field = model._meta.get_field(self.name)
        if field.db_default is NOT_PROVIDED:
            raise ValueError(f"{self.model_name}.{self.name} has no db_default")
        BaseDatabaseSchemaEditor.add_field(schema_editor, from_state.apps.get_model(app_label, self.model_name), field)
