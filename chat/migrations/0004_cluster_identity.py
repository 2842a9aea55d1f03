"""The name of the cluster that works on this database, made up once and for all."""

from django.db import migrations, models

import chat.models.cluster


def make_identity(apps, schema_editor):
    apps.get_model("chat", "ClusterIdentity").objects.using(schema_editor.connection.alias).get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_channel_name_folded")]
    operations = [
        migrations.CreateModel(
            name="ClusterIdentity",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("cluster_id", models.CharField(default=chat.models.cluster.random_cluster_id, max_length=32)),
            ],
            options={"verbose_name_plural": "cluster identities"},
        ),
        migrations.RunPython(make_identity, migrations.RunPython.noop),
    ]
