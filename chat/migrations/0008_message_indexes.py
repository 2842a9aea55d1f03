"""Two indexes of messages that others begin with: each post wrote them for nobody."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from reaktor.db.indexes import DropForeignKeyIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chat', '0007_purge'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        DropForeignKeyIndex(
            model_name='message',
            name='channel',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='chat.channel'),
        ),
        DropForeignKeyIndex(
            model_name='message',
            name='author',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
