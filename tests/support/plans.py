"""How the database means to answer what a call asks, for tests of what costs the same however much is stored.

Whether an index can serve is asked, not what a planner prefers at the size of a test.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.databases import is_sqlite


def prefer_indexes(*others: str) -> None:
    """PostgreSQL is told, for this transaction, to avoid what is right for small tables only, and what `others` name.

    SQLite has no statistics, as in a server nobody analyzed.
    """
    if not is_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            for preference in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", *others):
                cursor.execute(f"SET LOCAL enable_{preference} = off")


def plans_of(call: Callable[[], object]) -> list[tuple[str, str]]:
    """(SQL, plan) of every SELECT that the call makes."""
    with CaptureQueriesContext(connection) as captured:
        call()
    found = []
    for query in captured.captured_queries:
        sql = query["sql"]
        if sql.lstrip().upper().startswith(("SELECT", "WITH")):
            with connection.cursor() as cursor:
                cursor.execute(("EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN ") + sql)
                plan = "\n".join(str(row[-1]).strip() for row in cursor.fetchall())
            found.append((sql, plan))
    assert found
    return found
