"""People of every kind, with browsers at the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.support.rest import _fresh_limits, register  # noqa: F401
from tests.support.staff import at_admin, moderator, root


@pytest.fixture
def ada() -> User:
    return register("ada")


@pytest.fixture
def mia() -> Client:
    """A member of the group "Moderators"."""
    return at_admin(moderator("mia"))


@pytest.fixture
def boss() -> Client:
    """A superuser."""
    return at_admin(root("boss"))
