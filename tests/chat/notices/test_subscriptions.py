"""Subscriptions and preferences as they are stored: ten browsers, each of one account, and what a person chose."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from accounts.models import User
from chat.domain.ids import UserRef
from chat.models import PushSubscription
from chat.notices.preferences import preferences_change, preferences_of
from chat.notices.subscriptions import (
    MAX_SUBSCRIPTIONS,
    subscription_end,
    subscription_put,
    subscriptions_list,
    subscriptions_of,
)
from chat.notices.targets import Targets
from chat.selectors.export import export_page
from chat.services.leaving import account_leave
from reaktor.errors import InvalidError
from reaktor.times import parse_timestamp
from tests.chat.notices.conftest import Subscribe
from tests.support.push_service import PushService, base64url
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_a_browser_is_one_however_often_it_says_so(ann: UserRef, subscribe: Subscribe) -> None:
    login = uuid.uuid4()
    for _ in range(3):
        browser = subscribe(ann, login=login, name="same")
    (found,) = subscriptions_list(uuid.UUID(ann.id), login)
    assert (found["host"], found["is_current"]) == ("localhost", True)
    assert parse_timestamp(found["created_at"])
    assert browser.endpoint not in str(found)


def test_a_browser_that_another_account_uses_now_is_told_of_that_one_alone(
    ann: UserRef, bob: UserRef, subscribe: Subscribe
) -> None:
    subscribe(ann, name="shared")
    subscribe(bob, name="shared")
    assert [each.user_id for each in PushSubscription.objects.all()] == [uuid.UUID(bob.id)]


def test_ten_browsers_are_told_and_the_one_not_heard_of_for_longest_gives_way(
    ann: UserRef, subscribe: Subscribe
) -> None:
    login = uuid.uuid4()
    first = subscribe(ann, login=login)
    others = [subscribe(ann, login=login) for _ in range(MAX_SUBSCRIPTIONS - 1)]
    subscribe(ann, login=login, name=first.endpoint.rsplit("/", 1)[1])
    subscribe(ann, login=login)
    kept = set(PushSubscription.objects.values_list("endpoint", flat=True))
    assert len(kept) == MAX_SUBSCRIPTIONS
    assert first.endpoint in kept
    assert others[0].endpoint not in kept


def test_browsers_that_subscribe_at_once_are_no_more_than_ten(
    ann: UserRef, service: PushService, targets: Targets
) -> None:
    user, login = User.objects.get(pk=ann.id), uuid.uuid4()
    browsers = [service.browser(f"once{number}") for number in range(14)]

    def put(number: int) -> None:
        browser = browsers[number]
        subscription_put(user, login, endpoint=browser.endpoint, **browser.keys, targets=targets)

    at_once(*[lambda number=number: put(number) for number in range(len(browsers))])  # type: ignore[misc]
    assert PushSubscription.objects.count() == MAX_SUBSCRIPTIONS


def test_a_dead_log_in_takes_no_place(ann: UserRef, subscribe: Subscribe) -> None:
    for _ in range(MAX_SUBSCRIPTIONS):
        subscribe(ann)
    User.objects.filter(pk=ann.id).update(token_version=2)
    login = uuid.uuid4()
    subscribe(ann, login=login)
    assert len(subscriptions_list(uuid.UUID(ann.id), login)) == PushSubscription.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "https://internal.example/x"),
        ("endpoint", "http://localhost/x"),
        ("p256dh", "short"),
        ("p256dh", base64url(b"\x04" + bytes(64))),
        ("p256dh", "ä" * 87),
        ("auth", base64url(bytes(15))),
        ("auth", "!" * 22),
    ],
)
def test_what_nothing_can_be_sent_to_is_refused(
    field: str, value: str, ann: UserRef, service: PushService, targets: Targets
) -> None:
    browser = service.browser("good")
    fields: dict[str, Any] = {"endpoint": browser.endpoint, **browser.keys, field: value}
    with pytest.raises(InvalidError) as refused:
        subscription_put(User.objects.get(pk=ann.id), uuid.uuid4(), **fields, targets=targets)
    assert [name.rpartition(".")[2] for name in refused.value.fields or {}] == [field]
    assert not PushSubscription.objects.exists()


def test_only_its_owner_ends_a_subscription(ann: UserRef, bob: UserRef, subscribe: Subscribe) -> None:
    endpoint = subscribe(ann).endpoint
    subscription_end(uuid.UUID(bob.id), endpoint=endpoint)
    assert PushSubscription.objects.count() == 1
    for _ in range(2):
        subscription_end(uuid.UUID(ann.id), endpoint=endpoint)
    assert not PushSubscription.objects.exists()


def test_preferences_are_defaults_until_something_is_chosen(ann: UserRef) -> None:
    mine = uuid.UUID(ann.id)
    default = {"push": True, "email": True, "preview": True, "quiet": None}
    assert preferences_of(mine) == default
    quiet = {"from": "22:00", "to": "07:30", "days": ["mon", "sun"], "time_zone": "Asia/Kathmandu"}
    assert preferences_change(mine, {"preview": False, "quiet": quiet}) == {
        **default,
        "preview": False,
        "quiet": quiet,
    }
    assert preferences_change(mine, {"email": False})["quiet"] == quiet
    assert preferences_change(mine, {"quiet": None}) == {**default, "preview": False, "email": False}
    with pytest.raises(InvalidError):
        preferences_change(mine, {"push": False, "quiet": {**quiet, "time_zone": "Mars/Olympus"}})
    assert preferences_of(mine)["push"], "what was refused changed nothing"


def test_a_person_is_shown_what_is_stored_of_them_and_it_goes_with_them(ann: UserRef, subscribe: Subscribe) -> None:
    endpoint = subscribe(ann).endpoint
    mine = uuid.UUID(ann.id)
    preferences_change(mine, {"push": False})
    page = export_page(user=User.objects.get(pk=mine))
    assert page["notifications"][0]["push"] is False
    assert len(page["subscriptions"]) == 1
    assert endpoint not in str(page)
    account_leave(user_id=ann.id, removes_messages=False)
    assert subscriptions_of([mine], parse_timestamp("2026-01-01T00:00:00Z")) == {}
    assert preferences_of(mine)["push"]
