"""The rows that every server begins with: three channels, the epoch of its history, the group "Moderators".

A database from before 0.2.0 may come here too: the first migration had the same name then, so Django takes its tables
for made. If that database has all that today's tables have, its rows stay and the server goes on with them. If not,
the command ends and says so; otherwise the server would start, and fail at the first query of a missing column.
"""

from django.core.management.base import CommandError
from django.db import migrations

DEFAULT_CHANNELS = (("general", "General"), ("programming", "Programming"), ("random", "Random"))

GROUP = "Moderators"
"""Who is in it (and staff) moderates in the admin, and does nothing else there."""
PERMISSIONS = (
    ("accounts", "user", "view_user", "Can view user"),
    ("chat", "channel", "view_channel", "Can view channel"),
    ("chat", "message", "view_message", "Can view message"),
    ("chat", "report", "view_report", "Can view report"),
    ("chat", "sanction", "view_sanction", "Can view sanction"),
    ("chat", "sanction", "moderate", "Can moderate in the admin"),
    ("chat", "auditentry", "view_auditentry", "Can view audit entry"),
)

NAMED = 3
"""How many of the missing things the error names."""


def refuse_other_tables(apps, schema_editor):
    missing = sorted(
        name
        for app in ("accounts", "chat")
        for model in apps.get_app_config(app).get_models()
        for name in missing_in(model, schema_editor.connection)
    )
    if missing:
        rest = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise CommandError(
            f"A version before 0.2.0 made this database, and it lacks {', '.join(missing[:NAMED])}{rest}: begin with a "
            "new database, or run `manage.py migrate` of the last version before 0.2.0 first."
        )


def missing_in(model, connection):
    """Columns, indexes and constraints of the model that its table does not have."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return {table}
        found = {column.name for column in connection.introspection.get_table_description(cursor, table)}
        found |= connection.introspection.get_constraints(cursor, table).keys()
    wanted = {field.column for field in model._meta.local_fields}
    wanted |= {each.name for each in (*model._meta.indexes, *model._meta.constraints)}
    return {f"{table}.{name}" for name in wanted - found}


def make_rows(apps, schema_editor):
    """All of them, or none where there is an epoch already: what was renamed or deleted since then stays so."""
    using = schema_editor.connection.alias
    _, is_new = apps.get_model("chat", "History").objects.using(using).get_or_create(pk=1)
    if is_new:
        make_channels(apps, using)
        make_moderators(apps, using)


def make_channels(apps, using):
    channels = apps.get_model("chat", "Channel").objects.using(using)
    for key, name in DEFAULT_CHANNELS:
        channels.create(key=key, name=name, kind="public", is_default=True)


def make_moderators(apps, using):
    """Django makes permissions after all migrations; those needed are made here as it would, and it finds them made."""
    types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    group = apps.get_model("auth", "Group").objects.using(using).create(name=GROUP)
    for app_label, model, codename, name in PERMISSIONS:
        content_type, _ = types.get_or_create(app_label=app_label, model=model)
        permission, _ = permissions.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.RunPython(refuse_other_tables, migrations.RunPython.noop),
        migrations.RunPython(make_rows, migrations.RunPython.noop),
    ]
