"""Makes the indexes of what names are compared by, and fills it in batches beside those who write. May be run again.

The indexes come first: as long as they hold nothing SQLite makes them in half of the time, and all who write wait for it.
"""

import time

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from accounts import names
from accounts.claims import columns_fill
from reaktor.db.indexes import AddIndexBeside

BATCH = 250
PAUSE_S = 0.01
"""SQLite's other writers look again and again whether it is their turn, and find that it is in every second pause."""


def fill_users(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    users = apps.get_model("accounts", "User").objects.order_by("pk")
    last = None
    while True:
        part = users if last is None else users.filter(pk__gt=last)
        found = list(part.values_list("pk", "username", "username_skeleton")[:BATCH])
        if not found:
            return
        if empty := [(pk, name) for pk, name, skeleton in found if skeleton is None]:
            columns_fill(empty)
            time.sleep(PAUSE_S)
        last = found[-1][0]


def fill_former_names(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    former = apps.get_model("accounts", "FormerName").objects.order_by("pk")
    last = ""
    while found := list(former.filter(pk__gt=last)[:BATCH]):
        for row in found:
            row.name, row.skeleton = row.name or row.folded, row.skeleton or names.skeleton(row.folded)
        former.bulk_update(found, ["name", "skeleton"])
        last = found[-1].pk


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0006_names'),
    ]

    operations = [
        AddIndexBeside(
            model_name='user',
            index=models.Index(fields=['username_folded'], name='user_name_folded'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(fields=['username_skeleton'], name='user_name_skeleton'),
        ),
        AddIndexBeside(
            model_name='formername',
            index=models.Index(fields=['skeleton'], name='former_name_skeleton'),
        ),
        migrations.RunPython(fill_former_names, migrations.RunPython.noop),
        migrations.RunPython(fill_users, migrations.RunPython.noop),
    ]
