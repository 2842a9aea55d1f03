"""Indexes for the filters of the admin's list of accounts, each of which few accounts pass."""

from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('accounts', '0003_former_name'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', False)), fields=['id'], name='user_off'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('is_staff', True)), fields=['id'], name='user_staff'),
        ),
        AddIndexBeside(
            model_name='user',
            index=models.Index(condition=models.Q(('is_superuser', True)), fields=['id'], name='user_superuser'),
        ),
    ]
