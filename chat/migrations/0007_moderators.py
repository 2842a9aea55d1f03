"""The group "Moderators": who is in it (and staff) moderates in the admin, and does nothing else there.

Django makes permissions after all migrations, so on a new database there are none yet: those needed are made here
exactly as it would make them, and it finds them made.
"""

from django.db import migrations, models

GROUP = "Moderators"
PERMISSIONS = (
    ("accounts", "user", "view_user", "Can view user"),
    ("chat", "channel", "view_channel", "Can view channel"),
    ("chat", "message", "view_message", "Can view message"),
    ("chat", "report", "view_report", "Can view report"),
    ("chat", "sanction", "view_sanction", "Can view sanction"),
    ("chat", "sanction", "moderate", "Can moderate in the admin"),
    ("chat", "auditentry", "view_auditentry", "Can view audit entry"),
)


def create(apps, schema_editor):
    using = schema_editor.connection.alias
    types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=GROUP)
    for app_label, model, codename, name in PERMISSIONS:
        content_type, _ = types.get_or_create(app_label=app_label, model=model)
        permission, _ = permissions.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0006_deletions"),
        ("accounts", "0003_logins"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="sanction", options={"permissions": [("moderate", "Can moderate in the admin")]}
        ),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["channel", "id"], name="audit_channel")
        ),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
