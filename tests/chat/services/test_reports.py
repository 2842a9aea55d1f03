"""Reports and what follows, bulk deletion, the word filter and links, as they are stored."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import selectors, services
from chat.domain.events import Event, MessageData
from chat.domain.ids import SYSTEM, ChannelKey, UserRef
from chat.domain.policies import TextRules
from chat.domain.words import WordFilter
from chat.models import AuditEntry, Channel, Message, Purge, Report, Sanction, WordRule
from chat.posting.batches import Post, Result, Stored, store_batch
from chat.posting.textrules import REFRESH_S, CurrentTextRules
from chat.services import purge
from reaktor.config.model import Limits
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.support.databases import channel_of, user_ref

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def post(user: UserRef, key: str, text: str, rules: TextRules | None = None) -> Result:
    return store_batch([Post(user, ChannelKey(key), text, None)], rules)[0]


@pytest.fixture
def message(bob: UserRef, tea: ChannelKey) -> MessageData:
    stored = post(bob, tea, "buy my pills")
    assert isinstance(stored, Stored)
    return stored.message


def report(user: UserRef, message: MessageData, reason: str = "spam") -> Any:
    return services.report_create(user=user, key="tea", message_id=message["id"], reason=reason)


def test_a_report_keeps_the_text_of_then_and_is_made_once(message: MessageData, mod: UserRef, bob: UserRef) -> None:
    eve = user_ref("eve")
    made = report(eve, message)
    services.message_edit(user=bob, key="tea", message_id=message["id"], text="hello", max_chars=99)
    assert report(eve, message, "again") == made
    assert (made["text"], made["author"], made["reporter"]) == ("buy my pills", "bob", "eve")
    assert selectors.reports_list(user=mod)[0] == [made]
    assert selectors.reports_list(user=eve)[0] == []


def test_what_can_t_be_reported(message: MessageData, bob: UserRef, mod: UserRef) -> None:
    with pytest.raises(InvalidError):
        report(bob, message)
    with pytest.raises(InvalidError):
        report(mod, message, "  ")
    with pytest.raises(NotFoundError):
        report(mod, {**message, "id": str(uuid.uuid4())})
    services.message_delete(user=mod, key="tea", message_id=message["id"])
    with pytest.raises(ConflictError):
        report(mod, message)


def test_only_staff_set_words_and_only_words_that_can_be_found(staff: UserRef, mod: UserRef) -> None:
    for word, action in (("", "reject"), ("x" * 81, "reject"), ("half\ud800", "reject"), ("pills", "burn")):
        with pytest.raises(InvalidError):
            services.words.word_set(user=staff, word=word, action=action)
    with pytest.raises(ForbiddenError):
        services.words.word_set(user=mod, word="pills", action="reject")
    with pytest.raises(ForbiddenError):
        services.words.word_remove(user=mod, word="pills")
    assert not WordRule.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("cursor", ["", "-1", "1.0", "9" * 19, "x"])
def test_a_cursor_that_is_none_of_a_list_is_refused(mod: UserRef, cursor: str) -> None:
    with pytest.raises(InvalidError):
        selectors.reports_list(user=mod, cursor=cursor)


@pytest.mark.parametrize("resolution", ["dismissed", "deleted", "sanctioned"])
def test_a_decision_ends_every_report_of_that_message(
    message: MessageData, mod: UserRef, ann: UserRef, resolution: str
) -> None:
    first, _ = report(user_ref("eve"), message), report(ann, message)
    decided = services.report_resolve(user=mod, report_id=first["id"], resolution=resolution, kind="mute")
    assert (decided["resolution"], decided["resolved_by"]) == (resolution, "mod")
    assert not Report.objects.filter(resolved_at=None).exists()
    stored = Message.objects.get(pk=message["id"])
    assert (stored.deleted_at is None) == (resolution == "dismissed")
    assert Sanction.objects.filter(kind="mute", channel__key="tea").exists() == (resolution == "sanctioned")
    assert AuditEntry.objects.filter(action="report.resolve").count() == 1
    with pytest.raises(ConflictError):
        services.report_resolve(user=mod, report_id=first["id"], resolution="dismissed")


def test_only_moderators_of_the_channel_and_staff_decide(
    message: MessageData, mod: UserRef, bob: UserRef, staff: UserRef
) -> None:
    made = report(mod, message)
    other = user_ref("other")
    channel_of(other, "elsewhere")
    for user in (bob, other):
        with pytest.raises(ForbiddenError):
            services.report_resolve(user=user, report_id=made["id"], resolution="dismissed")
    with pytest.raises(ForbiddenError):
        services.report_resolve(user=mod, report_id=made["id"], resolution="sanctioned", kind="ban", is_everywhere=True)
    assert Message.objects.get(pk=message["id"]).deleted_at is None
    services.report_resolve(user=staff, report_id=made["id"], resolution="sanctioned", is_everywhere=True)
    assert User.objects.get(username="bob").banned_until is not None
    with pytest.raises(NotFoundError):
        services.report_resolve(user=staff, report_id=10**9, resolution="dismissed")
    with pytest.raises(InvalidError):
        services.report_resolve(user=staff, report_id=made["id"], resolution="forgotten")


def test_a_purge_takes_the_last_hours_of_one_user_in_one_channel_or_everywhere(
    bob: UserRef, ann: UserRef, mod: UserRef, staff: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "BATCH", 3)
    rests: list[float] = []
    channel_of(None, "other")
    for number in range(7):
        post(bob, tea, f"m{number}")
    post(bob, "other", "elsewhere")
    post(ann, tea, "mine")
    Message.objects.filter(channel__key=tea, number=1).update(created_at=datetime.now(UTC) - timedelta(hours=3))
    done = services.messages_purge(user=mod, username="bob", hours=2, channel=tea, rest=rests.append)
    assert (done, len(rests)) == ({"deleted": 6, "left": 0}, 3)
    left = Message.objects.filter(deleted_at=None).order_by("number").values_list("text", flat=True)
    assert sorted(left) == ["elsewhere", "m0", "mine"]
    channel = Channel.objects.get(key=tea)
    assert (channel.number, channel.seq) == (8, 14)
    assert Message.objects.filter(channel=channel).count() == 8
    assert len(set(Message.objects.filter(channel=channel).values_list("changed_seq", flat=True))) == 8
    with pytest.raises(ForbiddenError):
        services.messages_purge(user=mod, username="bob", hours=2)
    with pytest.raises(ForbiddenError):
        services.messages_purge(user=mod, username="ann", hours=2, channel=tea)
    assert services.messages_purge(user=staff, username="bob", hours=168) == {"deleted": 2, "left": 0}
    assert services.messages_purge(user=staff, username="bob", hours=168) == {"deleted": 0, "left": 0}
    assert not Purge.objects.exists()
    for hours in (0, 169):
        with pytest.raises(InvalidError):
            services.messages_purge(user=staff, username="bob", hours=hours)


def test_a_purge_that_is_interrupted_is_in_the_audit_log_all_the_same(
    bob: UserRef, mod: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "BATCH", 3)
    for number in range(7):
        post(bob, tea, f"m{number}")
    begun = services.purge_begin(user=mod, username="bob", hours=2, channel=tea, reason="spam")
    assert services.purge_batch(purge_id=begun.purge_id) == 3
    entry = AuditEntry.objects.get(action="purge")
    assert (entry.actor, entry.target, entry.channel, entry.reason) == ("mod", "bob", tea, "spam")
    assert entry.details == {"hours": 2, "messages": 7}
    post(bob, tea, "written later")
    assert [services.purge_batch(purge_id=begun.purge_id) for _ in range(4)] == [3, 1, None, None]
    assert Message.objects.get(deleted_at=None).text == "written later"


def test_a_purge_of_more_than_anybody_waits_for_is_left_to_go_on_by_itself(
    bob: UserRef, mod: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request deleted until the last of any number of messages was gone, however long that took."""
    monkeypatch.setattr(purge, "BATCH", 3)
    for number in range(10):
        post(bob, tea, f"m{number}")
    done = services.messages_purge(user=mod, username="bob", hours=2, channel=tea, batches=2)
    assert done == {"deleted": 6, "left": 4}
    (waiting,) = purge.purges_waiting()
    assert [services.purge_batch(purge_id=waiting) for _ in range(3)] == [3, 1, None]
    assert (purge.purges_waiting(), Message.objects.filter(deleted_at=None).count()) == ([], 0)


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    bob: UserRef, ann: UserRef, mod: UserRef, tea: ChannelKey
) -> None:
    """Each message took three statements more, while nobody else could write to its channel."""

    def cost(messages: int) -> int:
        for number in range(messages):
            stored = post(bob, tea, f"m{number} @ann")
            assert isinstance(stored, Stored)
            services.reaction_add(user=ann, key=tea, message_id=stored.message["id"], emoji="👍")
        begun = services.purge_begin(user=mod, username="bob", hours=2, channel=tea)
        with CaptureQueriesContext(connection) as queries:
            assert services.purge_batch(purge_id=begun.purge_id) == messages
        return len(queries)

    assert cost(2) == cost(40) <= 20


def test_all_that_went_in_a_batch_is_said_in_order_and_at_once(
    bob: UserRef, mod: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[list[Event]] = []
    monkeypatch.setattr("chat.publish.durable", lambda *events: said.append(list(events)))
    other = channel_of(bob, "other")
    for key in (tea, other, tea):
        post(bob, key, "spam")
    services.messages_purge(user=SYSTEM, username="bob", hours=2)
    assert sorted([(event.channel, event.seq, event.data["text"]) for event in events] for events in said) == [
        [(other, 2, None)],
        [(tea, 3, None), (tea, 4, None)],
    ]
    stored = Message.objects.order_by("channel__key", "number").values_list("channel__key", "changed_seq")
    assert list(stored) == [(other, 2), (tea, 3), (tea, 4)]
    assert dict(Channel.objects.filter(key__in=[tea, other]).values_list("key", "seq")) == {tea: 4, other: 2}


def test_words_are_rejected_or_put_into_the_queue(bob: UserRef, mod: UserRef, tea: ChannelKey) -> None:
    rules = TextRules(WordFilter.of(reject=["darn"], flag=["pills"]))
    assert isinstance(post(bob, tea, "darn", rules), ForbiddenError)
    assert isinstance(post(mod, tea, "darn", rules), Stored)
    assert isinstance(post(bob, tea, "cheap PILLS", rules), Stored)
    (made,) = selectors.reports_list(user=mod)[0]
    assert (made["reporter"], made["author"], made["reason"]) == (None, "bob", "The word filter found: PILLS")


def test_links_of_new_accounts_are_bounded_and_edits_are_held_to_the_same(bob: UserRef, tea: ChannelKey) -> None:
    rules = TextRules(max_links=1, new_for=timedelta(days=1))
    many = "http://a.example http://b.example"
    assert isinstance(post(bob, tea, many, rules), ForbiddenError)
    stored = post(bob, tea, "hi", rules)
    assert isinstance(stored, Stored)
    current = CurrentTextRules(Limits(new_account_links=1))
    edit = {"user": bob, "key": tea, "message_id": stored.message["id"], "max_chars": 99, "text_rules": current}
    with pytest.raises(ForbiddenError):
        services.message_edit(**edit, text=many)
    User.objects.filter(pk=bob.id).update(created_at=datetime.now(UTC) - timedelta(days=2))
    assert services.message_edit(**edit, text=many)["text"] == many


def test_a_change_of_the_words_holds_within_a_second(django_assert_num_queries: Any) -> None:
    now = [0.0]
    rules = CurrentTextRules(Limits(enabled=False), clock=lambda: now[0])
    assert rules.current().new_for == timedelta(0)
    WordRule.objects.create(word="darn", action="reject")
    with django_assert_num_queries(0):
        assert not rules.current().words.rejects("darn")
    now[0] += REFRESH_S
    with django_assert_num_queries(1):
        assert rules.current().words.rejects("darn")
        assert rules.current().words.rejects("darn")


def test_nobody_decides_about_their_own_message_or_sees_who_reported_it(
    mod: UserRef, ann: UserRef, tea: ChannelKey
) -> None:
    stored = post(mod, tea, "buy my pills")
    assert isinstance(stored, Stored)
    made = report(ann, stored.message)
    assert selectors.reports_list(user=mod)[0] == []
    with pytest.raises(ForbiddenError):
        services.report_resolve(user=mod, report_id=made["id"], resolution="dismissed")
    services.report_resolve(user=ann, report_id=made["id"], resolution="dismissed")


def test_what_was_decided_can_be_reported_anew(message: MessageData, mod: UserRef, bob: UserRef) -> None:
    eve = user_ref("eve")
    first = report(eve, message)
    services.report_resolve(user=mod, report_id=first["id"], resolution="dismissed")
    services.message_edit(user=bob, key="tea", message_id=message["id"], text="worse", max_chars=99)
    again = report(eve, message, "now look at this")
    assert (again["id"], again["text"], again["resolved_at"]) == (first["id"], "worse", None)
    assert selectors.reports_list(user=mod)[0] == [again]


def test_an_edit_is_looked_at_for_words_like_a_new_message(message: MessageData, bob: UserRef) -> None:
    WordRule.objects.create(word="darn", action="flag")
    current = CurrentTextRules(Limits())
    for text in ("darn", "darn it"):
        services.message_edit(
            user=bob, key="tea", message_id=message["id"], text=text, max_chars=99, text_rules=current
        )
    assert [each.reason for each in Report.objects.all()] == ["The word filter found: darn"]
