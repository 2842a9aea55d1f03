from django.db import migrations, models

from reaktor.db.indexes import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('chat', '0022_notices'),
    ]

    operations = [
        AddIndexBeside(
            model_name='channelmembership',
            index=models.Index(condition=models.Q(('level', 'all')), fields=['channel', 'id'], name='membership_all'),
        ),
    ]
