"""How long PostgreSQL is waited for: what its server is told by `prepare`, and what a process that serves adds.

The server ends what takes too long, so that nothing is done after it was refused: limits of our role in our database,
since a pooler refuses start-up parameters. A process that serves waits a little longer than that for an answer, then
gives up its connection: a route that died without a word would hold a thread for a quarter of an hour. Commands take
their time. SQLite has a lock time-out of its own (reaktor.db.database).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created

ANSWER_S = 9.0
"""More than the server's own limits, less than a caller waits (Database.timeout_s)."""
ANSWER_SETTING = "ANSWER_S"
"""In the settings of a connection that waits for another time than this."""

ROLE_LIMITS = {
    "lock_timeout": "5s",
    "statement_timeout": "8s",
    # A worker that is cut off in the middle of a transaction holds the locks of its channels until this is over.
    "idle_in_transaction_session_timeout": "10s",
    # What the server notices by itself of clients that are gone.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8000",
}
LIFTED = "SET lock_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
_SET_BY_ANYBODY = """
    SELECT split_part(unnest(setconfig), '=', 1) FROM pg_db_role_setting
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
"""


def set_role_limits(say: Callable[[str], None]) -> None:
    """Give our role its limits in this database, for sessions that begin from now on. What an operator set, stays."""
    if connection.vendor != "postgresql":
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SET_BY_ANYBODY)
            taken = {name for (name,) in cursor.fetchall()}
            database = connection.ops.quote_name(connection.settings_dict["NAME"])
            for name, value in ROLE_LIMITS.items():
                if name not in taken:
                    cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = '{value}'")
    except DatabaseError as error:
        say(f"The time limits of the database's role were not set ({str(error).strip().splitlines()[0]}).")


def missing_limits() -> str | None:
    """A sentence for the operator when nobody gave our role its limits; None: somebody did. Raises DatabaseError."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        # As sessions begin with it: commands lift theirs.
        cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")
        ((seconds,),) = cursor.fetchall()
    if seconds != "0":
        return None
    return "The database's role has no time limits, so a host that is cut off keeps its locks. Run manage.py prepare."


def take_time() -> None:
    """This process is a command: what it asks may take as long as it takes."""
    connection_created.connect(_lift, dispatch_uid="reaktor.db.patience")


def serve() -> None:
    """This process serves: no answer is waited for longer than ANSWER_S, on connections made from now on."""
    connection_created.disconnect(dispatch_uid="reaktor.db.patience")
    connection_created.connect(_bound, dispatch_uid="reaktor.db.patience")


def _lift(sender: Any, connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(LIFTED)


def _bound(sender: Any, connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql" and "wait" not in vars(connection.connection):  # a pool brings it back
        line = connection.connection
        answer_s = connection.settings_dict.get(ANSWER_SETTING, ANSWER_S)
        line.wait = partial(_wait, line.wait, line.pgconn, timeout=answer_s)


def _wait(wait: Callable[..., Any], line: Any, generator: Any, interval: float = 0.1, *, timeout: float) -> Any:
    """psycopg's own wait(). After a time-out the connection is of no use: the answer may still come."""
    deadline = time.monotonic() + timeout
    try:
        return wait(generator, interval=interval, timeout=timeout)
    except Exception:
        if time.monotonic() >= deadline:
            line.finish()
        raise
