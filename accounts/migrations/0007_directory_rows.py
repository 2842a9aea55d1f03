"""The names that there are already, in batches while others go on writing; then the indexes, beside them.

Interrupted, it is run again and goes on with the rows that are left. What old workers store meanwhile is filled by
`manage.py clear_expired`.
"""

from django.db import migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from accounts.searching import search_key
from reaktor.db.indexes import AddIndexBeside

BATCH = 1_000


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    users = apps.get_model('accounts', 'User').objects
    last = None
    while True:
        left = users.filter(search_name=None) if last is None else users.filter(search_name=None, pk__gt=last)
        found = list(left.order_by('pk').values_list('pk', 'username', 'display_name')[:BATCH])
        if not found:
            return
        with transaction.atomic():
            for pk, username, display_name in found:
                users.filter(pk=pk).update(search_name=search_key(username), search_display=search_key(display_name))
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
