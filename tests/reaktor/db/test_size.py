"""How much room the database takes."""

from __future__ import annotations

import pytest
from django.db import connection

from reaktor.db.size import database_bytes


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_filled_grows() -> None:
    with connection.cursor() as cursor:
        # Room that other tests left free would be filled first.
        cursor.execute("VACUUM")
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = database_bytes()
        assert before > 0
        cursor.execute("CREATE TABLE filling (text varchar(2000))")
        try:
            cursor.executemany("INSERT INTO filling VALUES (%s)", [[f"{number:2000}"] for number in range(1_000)])
            assert database_bytes() > before + 10**6
        finally:
            cursor.execute("DROP TABLE filling")
