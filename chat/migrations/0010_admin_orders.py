"""Indexes for what the admin's lists of channels and of the audit log are filtered and searched by."""

import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('chat', '0009_cluster_lease'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexBeside(
            model_name='auditentry',
            index=models.Index(django.db.models.functions.text.Lower('actor'), models.F('id'), name='audit_actor'),
        ),
        AddIndexBeside(
            model_name='auditentry',
            index=models.Index(django.db.models.functions.text.Lower('target'), models.F('id'), name='audit_target'),
        ),
        AddIndexBeside(
            model_name='channel',
            index=models.Index(condition=models.Q(('is_default', True)), fields=['id'], name='channel_default'),
        ),
        AddIndexBeside(
            model_name='channel',
            index=models.Index(condition=models.Q(('archived_at__isnull', False)), fields=['id'], name='channel_archived'),
        ),
        AddIndexBeside(
            model_name='channel',
            index=models.Index(condition=models.Q(('frozen_at__isnull', False)), fields=['id'], name='channel_frozen'),
        ),
    ]
