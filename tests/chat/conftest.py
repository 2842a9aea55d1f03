"""Who and where most tests of this folder need: ann, and her channel tea."""

from __future__ import annotations

import pytest

from chat.domain.ids import ChannelKey, UserRef
from tests.support.databases import channel_of, user_ref


@pytest.fixture
def ann() -> UserRef:
    return user_ref("ann")


@pytest.fixture
def tea(ann: UserRef) -> ChannelKey:
    return channel_of(ann, "tea")
