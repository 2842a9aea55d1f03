"""Members of a channel by role, in place of an index of the channel alone."""

import django.db.models.deletion
from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside, DropForeignKeyIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('chat', '0010_admin_orders'),
    ]

    operations = [
        AddIndexBeside(
            model_name='channelmembership',
            index=models.Index(fields=['channel', 'role', 'id'], name='membership_role'),
        ),
        DropForeignKeyIndex(
            model_name='channelmembership',
            name='channel',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='chat.channel'),
        ),
    ]
