"""Who and where most tests of this folder need: ann, and her channel tea."""

from __future__ import annotations

import dataclasses

import pytest
from django.conf import settings

from chat.domain.ids import ChannelKey, UserRef
from tests.support.databases import channel_of, user_ref


@pytest.fixture(scope="session", autouse=True)
def own_data_dir(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands lock files in it; the processes of one test run would share one and exclude each other."""
    settings.REAKTOR = dataclasses.replace(settings.REAKTOR, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def ann() -> UserRef:
    return user_ref("ann")


@pytest.fixture
def tea(ann: UserRef) -> ChannelKey:
    return channel_of(ann, "tea")
