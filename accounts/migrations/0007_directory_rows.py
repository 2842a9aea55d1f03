"""The names that there are already, in batches while others go on writing; then the indexes, beside them.

Interrupted, it is run again and goes on with the rows that are left. What old workers store meanwhile is filled by
`manage.py clear_expired`.
"""

import time

from django.db import migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from accounts.searching import search_key
from reaktor.db.indexes import AddIndexBeside

BATCH = 250
PAUSE_S = 0.01
"""SQLite's other writers look again and again whether it is their turn, and find that it is in every second pause."""


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Plain statements: a million through the ORM, one by one, takes PostgreSQL a quarter of an hour."""
    connection = schema_editor.connection
    model = apps.get_model('accounts', 'User')
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f'UPDATE {table} SET search_name = %s, search_display = %s '  # noqa: S608  our own words
        'WHERE id = %s AND username = %s AND display_name = %s'
    )
    users, pk_of = model.objects.filter(search_name=None).order_by('pk'), model._meta.pk.get_db_prep_value
    last = None
    while True:
        part = users if last is None else users.filter(pk__gt=last)
        found = list(part.values_list('pk', 'username', 'display_name')[:BATCH])
        if not found:
            return
        rows = [
            (search_key(username), search_key(display_name), pk_of(pk, connection), username, display_name)
            for pk, username, display_name in found
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, rows)
        time.sleep(PAUSE_S)
        last = found[-1][0]


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('accounts', '0007_directory'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', True)), fields=['search_name', 'id'], name='user_search_name'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', True), ('search_display__isnull', False)), fields=['search_display', 'id'], name='user_search_display'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('search_name', None)), fields=['id'], name='user_unsearched'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('avatar', ''), _negated=True), fields=['avatar'], name='user_avatar'),
        ),
    ]
