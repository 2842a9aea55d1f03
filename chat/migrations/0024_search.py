"""The search index, its places in the channels, and the journal of changed texts. A chore fills it afterwards."""

import django.db.models.deletion
from django.db import migrations, models

POSTGRESQL = (
    'CREATE TABLE chat_search (message_id uuid PRIMARY KEY, channel_id bigint NOT NULL, words tsvector NOT NULL)',
    # Without a pending list, which each search would read from end to end. Nobody waits for who writes here.
    'CREATE INDEX chat_search_words ON chat_search USING gin (words) WITH (fastupdate = off)',
)
SQLITE = (
    # The texts come folded and cut: the tokenizer has to leave them as they are, whatever Unicode it knows.
    'CREATE VIRTUAL TABLE chat_search USING fts5(words, detail=none, columnsize=0, '
    "tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* S* Co Cn'\")",
    'CREATE TABLE chat_search_key '
    '(id integer PRIMARY KEY, message_id char(32) NOT NULL UNIQUE, channel_id bigint NOT NULL)',
)


def create(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == 'sqlite' else POSTGRESQL:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    schema_editor.execute('DROP TABLE chat_search')
    if schema_editor.connection.vendor == 'sqlite':
        schema_editor.execute('DROP TABLE chat_search_key')


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0023_marks'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('channel_id', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='SearchPlace',
            fields=[
                ('channel', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='chat.channel')),
                ('seq', models.BigIntegerField()),
                ('back', models.BigIntegerField(help_text='Messages up to this number are still to be indexed.')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('back__gt', 0)), fields=['channel'], name='search_backfill')],
            },
        ),
        migrations.RunPython(create, drop),
    ]
