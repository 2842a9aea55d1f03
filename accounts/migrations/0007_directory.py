"""What people are found by, and their pictures. The columns are filled by the next migration."""

from django.db import migrations, models

import accounts.searching


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_names_filled'),
    ]

    operations = [
        migrations.CreateModel(
            name='Picture',
            fields=[
                ('hash', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('small', models.BinaryField()),
                ('medium', models.BinaryField()),
                ('large', models.BinaryField()),
                ('stored_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddField(
            model_name='user',
            name='search_display',
            field=accounts.searching.SearchField(null=True, source='display_name'),
        ),
        migrations.AddField(
            model_name='user',
            name='search_name',
            field=accounts.searching.SearchField(null=True, source='username'),
        ),
    ]
