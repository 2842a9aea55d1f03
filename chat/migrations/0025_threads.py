import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from reaktor.db.new_columns import AddColumn


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0024_search'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='channel',
            name='aside_from',
            field=models.BigIntegerField(editable=False, null=True),
        ),
        AddColumn(
            model_name='channel',
            name='has_threads',
            field=models.BooleanField(db_default=True, default=True, help_text='Messages may be answered in threads.', verbose_name='threads'),
        ),
        migrations.AddField(
            model_name='message',
            name='thread_id',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='is_aside',
            field=models.BooleanField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name='Thread',
            fields=[
                ('root_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('root_number', models.BigIntegerField()),
                ('seq', models.BigIntegerField()),
                ('replies', models.BigIntegerField(default=0)),
                ('last_number', models.BigIntegerField()),
                ('active_at', models.DateTimeField()),
                ('participants', models.CharField(blank=True, default='', max_length=185)),
                ('channel', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='chat.channel')),
            ],
        ),
        migrations.CreateModel(
            name='ThreadFollow',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('thread_id', models.UUIDField()),
                ('is_on', models.BooleanField(null=True)),
                ('read_number', models.BigIntegerField(default=0)),
                ('replies', models.BigIntegerField(default=0)),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['user', 'is_on'], name='thread_follow_user')],
                'constraints': [models.UniqueConstraint(fields=('thread_id', 'user'), name='thread_follow_once')],
            },
        ),
    ]
