# Made by Django 5.2, but for AddIndexBeside: on a big table posts would wait for a plain index.

from django.conf import settings
from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chat', '0003_moderation'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexBeside(
            model_name='message',
            index=models.Index(condition=models.Q(('reply_to__isnull', False)), fields=['reply_to'], name='message_reply'),
        ),
    ]
