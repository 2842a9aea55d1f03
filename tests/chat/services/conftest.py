"""People of every rank in ann's channel, stored; she owns it."""

from __future__ import annotations

import pytest

from accounts.models import User
from chat.domain.ids import ChannelKey, UserRef
from chat.models import Channel, ChannelMembership
from chat.selectors import user_ref as ref_of
from tests.support.databases import user_ref


@pytest.fixture
def mod(tea: ChannelKey) -> UserRef:
    """Moderates the channel."""
    found = user_ref("mod")
    ChannelMembership.objects.create(channel=Channel.objects.get(key=tea), user_id=found.id, role="moderator")
    return found


@pytest.fixture
def bob() -> UserRef:
    """A stranger."""
    return user_ref("bob")


@pytest.fixture
def staff() -> UserRef:
    return user_ref("staff", is_staff=True)


@pytest.fixture
def root() -> UserRef:
    return ref_of(User.objects.create(username="root", password="!", is_staff=True, is_superuser=True))
