"""The three channels that every server starts with, and the epoch of this database's history."""

from django.db import migrations

DEFAULT_CHANNELS = (("general", "General"), ("programming", "Programming"), ("random", "Random"))


def create(apps, schema_editor):
    Channel = apps.get_model("chat", "Channel")
    for key, name in DEFAULT_CHANNELS:
        Channel.objects.get_or_create(key=key, defaults={"name": name, "kind": "public", "is_default": True})
    apps.get_model("chat", "History").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
