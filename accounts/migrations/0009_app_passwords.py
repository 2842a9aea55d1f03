"""App passwords."""

import django.db.models.deletion
import django.utils.timezone
import reaktor.db.ids
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_mail'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppPassword',
            fields=[
                ('id', models.UUIDField(default=reaktor.db.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('login', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('last_used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
    ]
