"""Webhooks: who makes and deletes them, and what may be posted by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import services as accounts
from accounts.models import Bot, User
from chat import services
from chat.domain.errors import ArchivedError, MutedError, NotAMemberError
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.moderation import HookMadeData
from chat.domain.policies import TextRules
from chat.domain.words import WordFilter
from chat.models import AuditEntry, Channel, ChannelMembership, Hook, Mention, Message
from chat.posting.batches import Stored
from chat.selectors import hooks_list, message_by_id
from chat.services.hooks import MAX_HOOKS, digest_of, hook_create, hook_delete, hook_post
from chat.services.leaving import account_leave
from reaktor.errors import (
    BannedError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
)
from tests.support.databases import channel_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
URL = "https://chat.example"


def hook_of(user: UserRef, key: str, name: str = "Grafana") -> HookMadeData:
    return hook_create(user=user, key=key, name=name, public_url=URL)


class Rules:
    """Text rules that are always the same."""

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules

    def current(self) -> TextRules:
        return self._rules


def say(made: HookMadeData, max_chars: int = 4_000, rules: TextRules | None = None, **payload: Any) -> Stored:
    return hook_post(
        token=made["token"],
        body=json.dumps(payload).encode(),
        count=lambda key: None,
        max_chars=max_chars,
        text_rules=Rules(rules or TextRules()),  # type: ignore[arg-type]  # the part that is used
    )


def test_a_webhook_posts_as_an_account_named_after_it(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea, "Grafana Alerts!")
    assert made["url"] == f"{URL}/hooks/{made['token']}"
    assert made["hook"]["username"] == "grafanaalerts"
    message = say(made, text="CPU is high").message
    assert (message["author"], message["via"]) == ("grafanaalerts", {"kind": "hook", "name": "Grafana Alerts!"})
    other = say(made, text="CPU is low", username="Alertmanager").message
    assert (other["author"], other["via"]) == ("grafanaalerts", {"kind": "hook", "name": "Alertmanager"})
    assert message_by_id(Channel.objects.get(key=tea).pk, other["id"]) == other
    assert (other["number"], other["seq"], other["flow"]) == (2, 2, 2)


def test_of_its_token_the_store_has_the_digest_alone(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    assert made["token"] not in str(list(Hook.objects.values())) + str(list(AuditEntry.objects.values()))
    assert Hook.objects.get().digest == digest_of(made["token"])


@pytest.mark.parametrize(
    ("name", "username"),
    [("CI", "hookci"), ("Überwachung", "uberwachung"), ("告警", "hook"), ("system", "system2"), ("x" * 80, "x" * 24)],
)
def test_its_account_is_called_as_nearly_as_it_can_be(ann: UserRef, tea: ChannelKey, name: str, username: str) -> None:
    assert hook_of(ann, tea, name)["hook"]["username"] == username
    assert hook_of(ann, tea, name)["hook"]["username"] not in {username, ""}


def test_what_it_posts_is_activity_and_unread_for_the_others(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    stored = say(made, text=f"look, @{ann.username}")
    assert stored.is_followed
    assert stored.mentioned == (ann.id,)
    assert Mention.objects.get().user_id is not None
    assert not ChannelMembership.objects.filter(user__username="grafana").exists(), "it belongs to no public channel"


@pytest.mark.parametrize("who", ["bob", "banned"])
def test_who_does_not_moderate_makes_and_deletes_none(ann: UserRef, bob: UserRef, tea: ChannelKey, who: str) -> None:
    made = hook_of(ann, tea)
    if who == "banned":
        services.sanction_issue(user=ann, kind="ban", username=bob.username, channel=tea)
    refused = (ForbiddenError, BannedError)
    with pytest.raises(refused):
        hook_of(bob, tea)
    with pytest.raises(refused):
        hook_delete(user=bob, key=tea, hook_id=str(made["hook"]["id"]))
    say(made, text="still here")


def test_bots_direct_channels_and_archived_ones_have_none(
    ann: UserRef, bob: UserRef, staff: UserRef, tea: ChannelKey
) -> None:
    direct, _ = services.direct_open(user=ann, username=bob.username)
    with pytest.raises(InvalidError):
        hook_of(staff, direct.channel.key)
    User.objects.filter(pk=ann.id).update(is_bot=True)
    with pytest.raises(ForbiddenError):
        hook_of(ann, tea)
    User.objects.filter(pk=ann.id).update(is_bot=False)
    services.channel_archive(user=ann, key=tea)
    with pytest.raises(ConflictError):
        hook_of(ann, tea)
    assert not Hook.objects.exists()


def test_a_channel_has_twenty(ann: UserRef, tea: ChannelKey) -> None:
    for number in range(MAX_HOOKS):
        hook_of(ann, tea, f"hook {number}")
    with pytest.raises(ConflictError):
        hook_of(ann, tea)


def test_a_deleted_webhook_posts_nothing_and_its_messages_stay(ann: UserRef, mod: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    said = say(made, text="CPU is high").message
    hook_delete(user=mod, key=tea, hook_id=str(made["hook"]["id"]))
    with pytest.raises(NotFoundError):
        say(made, text="again")
    assert message_by_id(Channel.objects.get(key=tea).pk, said["id"]) == said
    assert not User.objects.get(username="grafana").is_active
    for hook_id in (str(made["hook"]["id"]), "x", "²", "9" * 30):
        with pytest.raises(NotFoundError):
            hook_delete(user=mod, key=tea, hook_id=hook_id)
    found = AuditEntry.objects.filter(action__startswith="hook").order_by("id")
    assert [(each.action, each.actor, each.target, each.channel) for each in found] == [
        ("hook.create", "ann", "grafana", tea),
        ("hook.delete", "mod", "grafana", tea),
    ]


def test_a_webhook_is_no_other_channel_s(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    coffee = channel_of(ann, "coffee")
    with pytest.raises(NotFoundError):
        hook_delete(user=ann, key=coffee, hook_id=str(made["hook"]["id"]))
    assert hooks_list(Channel.objects.get(key=coffee).pk) == []
    assert hooks_list(Channel.objects.get(key=tea).pk) == [made["hook"]]


def test_whoever_made_it_is_off_and_so_is_it(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    accounts.user_disable(User.objects.get(pk=ann.id))
    with pytest.raises(BannedError):
        say(made, text="hi")
    (shown,) = hooks_list(Channel.objects.get(key=tea).pk)
    assert not shown["is_on"]
    accounts.user_enable(User.objects.get(pk=ann.id))
    say(made, text="hi")


def test_staff_switches_its_account_off(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    accounts.user_disable(User.objects.get(username="grafana"))
    with pytest.raises(BannedError):
        say(made, text="hi")


def test_an_archived_or_frozen_channel_takes_nothing_and_says_why(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    services.channel_update(user=ann, key=tea, is_frozen=True)
    with pytest.raises(ForbiddenError, match="frozen"):
        say(made, text="hi")
    services.channel_archive(user=ann, key=tea)
    with pytest.raises(ArchivedError):
        say(made, text="hi")


def test_slow_mode_does_not_hold_for_it_and_a_mute_does(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    services.channel_update(user=ann, key=tea, slow_mode_s=60)
    for text in ("one", "two"):
        say(made, text=text)
    services.sanction_issue(user=ann, kind="mute", username="grafana", channel=tea)
    with pytest.raises(MutedError):
        say(made, text="three")


def test_it_may_be_kicked_out_of_a_private_channel(ann: UserRef) -> None:
    key = channel_of(ann, "prv-secret", "private")
    made = hook_of(ann, key)
    say(made, text="hi")
    services.sanction_issue(user=ann, kind="kick", username="grafana", channel=key)
    with pytest.raises((NotAMemberError, NotFoundError)):
        say(made, text="hi")


def test_links_are_not_counted_and_words_are_those_of_its_name_too(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    say(made, text=" ".join(f"https://ci.example/{number}" for number in range(5)))
    rules = TextRules(WordFilter.of(reject=["spam"], flag=[]))
    for payload in ({"text": "spam"}, {"text": "hi", "username": "spam"}):
        with pytest.raises(ForbiddenError):
            say(made, rules=rules, **payload)


def test_what_is_counted_too_often_is_refused_before_it_is_read(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)

    def full(key: str) -> None:
        assert key == f"hook {made['hook']['id']}"
        raise RateLimitedError(retry_after_s=1.0)

    with pytest.raises(RateLimitedError):
        hook_post(token=made["token"], body=b"junk", count=full, max_chars=9)
    assert not Message.objects.exists()


@pytest.mark.parametrize("token", ["", "rkh_", "x" * 500, "\udcff", "a\x00b"])
def test_any_other_token_is_no_webhook(ann: UserRef, tea: ChannelKey, token: str) -> None:
    hook_of(ann, tea)
    with pytest.raises(NotFoundError):
        hook_post(token=token, body=b"{}", count=lambda key: None, max_chars=9)


def test_a_long_text_is_cut_to_what_a_message_holds(ann: UserRef, tea: ChannelKey) -> None:
    text = say(hook_of(ann, tea), max_chars=100, text="word " * 1_000).message["text"]
    assert text is not None
    assert (len(text) <= 100, text[-2:]) == (True, "d…")


def test_a_deleted_message_keeps_its_mark_and_loses_the_name_that_came_with_it(ann: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    ids = [say(made, text=text, username="Somebody").message["id"] for text in ("one", "two")]
    gone = services.message_delete(user=ann, key=tea, message_id=ids[0])
    assert gone["via"] == {"kind": "hook", "name": None}
    services.messages_purge(user=ann, username="grafana", hours=1, channel=tea)
    assert [each.via for each in Message.objects.order_by("number")] == ["", ""]
    by_person = services.message_post(user=ann, key=tea, text="hi", nonce=None, max_chars=9).message
    services.message_delete(user=ann, key=tea, message_id=by_person["id"])
    assert Message.objects.get(pk=by_person["id"]).via is None


def test_a_webhook_outlives_its_makers_account_but_is_off(ann: UserRef, mod: UserRef, tea: ChannelKey) -> None:
    made = hook_of(ann, tea)
    account_leave(user_id=ann.id, removes_messages=False)
    User.objects.filter(pk=ann.id).update(is_active=False, deleted_at=datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(BannedError):
        say(made, text="hi")
    hook_delete(user=mod, key=tea, hook_id=str(made["hook"]["id"]))
    assert Bot.objects.filter(kind=Bot.Kind.HOOK).count() == 1
