"""Which database this is: a text that a copy of it, restored from a backup, does not share.

PostgreSQL: the cluster's own number, the database and the table, which restoring a dump makes anew; and the timeline,
which recovering to a point in time, or promoting a standby, begins anew. SQLite: the file. A copy that takes the
file's place without becoming another file is known by what the backup has written into it.
"""

from __future__ import annotations

from pathlib import Path

from django.db import connection

COPY = "copy"
"""What a backup writes into the copy, as no database is called so."""
_TABLE = "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), %s::regclass::oid"
# Some who rent out PostgreSQL keep these to themselves; then the rest has to be enough.
_MAY_ASK_CLUSTER = """
    SELECT has_function_privilege('pg_control_system()', 'EXECUTE')
       AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')
"""
# The timeline of what is written now: the control file goes on telling the old one until the next checkpoint, which may
# be minutes after a promotion.
_CLUSTER = """
    SELECT (pg_control_system()).system_identifier,
           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
"""


def database_identity(table: str) -> str:
    """The text, with one of its tables for all."""
    if connection.vendor == "sqlite":
        # Without the device, whose number may be another one after each start of the machine.
        return str(Path(connection.settings_dict["NAME"]).stat().st_ino)
    with connection.cursor() as cursor:
        cursor.execute(_TABLE, [table])
        parts = cursor.fetchone()
        cursor.execute(_MAY_ASK_CLUSTER)
        if cursor.fetchone()[0]:
            cursor.execute(_CLUSTER)
            parts += cursor.fetchone()
    return "/".join(map(str, parts))
