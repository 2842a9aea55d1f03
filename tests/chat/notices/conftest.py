"""A push service in this process, and what may call it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import User
from chat.domain.ids import UserRef
from chat.notices.subscriptions import subscription_put
from chat.notices.targets import Targets
from reaktor.config.model import Push
from tests.support.databases import user_ref
from tests.support.push_service import Browser, PushService, push_service


@pytest.fixture
def bob() -> UserRef:
    return user_ref("bob")


@pytest.fixture(scope="session")
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushService]:
    with push_service(tmp_path_factory.mktemp("push")) as service:
        yield service


@pytest.fixture
def service(own_service: PushService) -> PushService:
    """As new."""
    own_service.answers.clear()
    own_service.asked.clear()
    return own_service


@pytest.fixture
def targets(service: PushService) -> Targets:
    return Targets(Push(hosts=(service.host,), allows_private=True))


class Subscribe:
    """subscribe(user) → a browser of theirs that is told, by a log-in of its own."""

    def __init__(self, service: PushService, targets: Targets) -> None:
        self.service, self.targets, self.count = service, targets, 0

    def __call__(self, user: UserRef, *, login: object = None, name: str = "") -> Browser:
        import uuid

        self.count += 1
        browser = self.service.browser(name or f"{user.username}{self.count}")
        known = User.objects.get(pk=user.id)
        at = login if isinstance(login, uuid.UUID) else uuid.uuid4()
        subscription_put(known, at, endpoint=browser.endpoint, **browser.keys, targets=self.targets)
        return browser


@pytest.fixture
def subscribe(service: PushService, targets: Targets) -> Subscribe:
    return Subscribe(service, targets)
