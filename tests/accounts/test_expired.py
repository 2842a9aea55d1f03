"""`manage.py clear_expired`, which the server runs once a day."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from accounts.expired import expired_clear


@pytest.mark.django_db
def test_the_command_says_how_many_rows_of_each_kind_it_deleted() -> None:
    said = io.StringIO()
    call_command("clear_expired", stdout=said)
    kinds = expired_clear(datetime.now(UTC) + timedelta(days=1))
    assert said.getvalue().splitlines() == [f"{kind}: 0" for kind in kinds]
