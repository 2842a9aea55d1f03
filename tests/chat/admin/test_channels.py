"""The page of a channel: who is there, who belongs there, what was said, and its buttons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.models import Channel, ChannelMembership, Invite, Message
from chat.selectors import user_ref
from tests.support.rest import live, post, register
from tests.support.staff import page_of, press

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).parents[3] / "chat/templates/admin"


@pytest.fixture
def general() -> Channel:
    return Channel.objects.get(key="general")


def test_it_shows_who_is_here_who_belongs_and_what_was_said(mia: Client, ada: User, general: Channel) -> None:
    post(ada, "good <morning>")
    with live(general=[("ada", "online"), ("bob", "away")]):
        page = mia.get(page_of(general)).content.decode()
    assert "2 here, 2 in all" in page
    assert re.search(r'>bob</a> <span class="quiet">\(away\)', page)
    assert "good &lt;morning&gt;" in page
    assert 'name="role"' not in page


def test_a_message_is_deleted_by_its_button(mia: Client, ada: User, general: Channel) -> None:
    made = post(ada, "rude")
    assert press(mia, general, "delete_message", message=made["id"]) == ["Message 1 of ada is deleted."]
    assert Message.objects.get(pk=made["id"]).text == ""
    assert press(mia, general, "delete_message", message="junk") == ["Message: Enter a valid UUID."]


def test_slow_mode_and_freezing(mia: Client, general: Channel) -> None:
    assert press(mia, general, "slow", seconds=30) == ["Slow mode: one message in 30 s."]
    assert press(mia, general, "slow", seconds=10**6) == ["Slow mode is at most 6 hours."]
    assert press(mia, general, "freeze") == ["General is frozen: only moderators write in it now."]
    general.refresh_from_db()
    assert general.slow_mode_s == 30
    assert general.frozen_at
    assert press(mia, general, "thaw") == ["General is open again."]
    general.refresh_from_db()
    assert general.frozen_at is None


def test_threads_are_switched_off_and_on(mia: Client, general: Channel) -> None:
    assert press(mia, general, "threads") == ["General has no threads any more."]
    general.refresh_from_db()
    assert not general.has_threads
    assert press(mia, general, "threads") == ["General has threads again."]
    general.refresh_from_db()
    assert general.has_threads


def test_who_pins(mia: Client, general: Channel) -> None:
    assert press(mia, general, "everybody_pins") == ["Whoever may write in General may pin messages now."]
    general.refresh_from_db()
    assert general.everybody_pins
    assert press(mia, general, "moderators_pin") == ["Only moderators pin messages in General now."]
    general.refresh_from_db()
    assert not general.everybody_pins


def test_roles_are_given_by_who_manages_channels(boss: Client, ada: User, general: Channel) -> None:
    assert press(boss, general, "role", username="ada", role="moderator") == ["ada is moderator of General now."]
    assert ChannelMembership.objects.get(user=ada, channel=general).role == "moderator"
    assert press(boss, general, "role", username="nobody", role="member") == ["There is no such user."]
    assert "Select a valid choice" in press(boss, general, "role", username="ada", role="king")[0]


def test_archiving_asks_first(boss: Client, general: Channel) -> None:
    assert press(boss, general, "archive") == []
    general.refresh_from_db()
    assert general.archived_at is None
    assert press(boss, general, "archive", confirmed="yes") == ["General is archived."]
    general.refresh_from_db()
    assert general.archived_at


def test_invites_are_made_shown_and_revoked(boss: Client, mia: Client, ada: User, general: Channel) -> None:
    services.channel_create(user=user_ref(ada), name="Corner", kind="private")
    corner = Channel.objects.get(name="Corner")
    assert press(boss, corner, "invite", uses=2, days=7)[0].startswith("The invite's code is ")
    invite = Invite.objects.get()
    assert (invite.uses_left, (invite.expires_at or invite.created_at) > invite.created_at) == (2, True)
    assert invite.code in mia.get(page_of(corner)).content.decode()
    assert press(mia, corner, "revoke", code=invite.code) == ["The invite lets nobody in any more."]
    assert invite.code not in mia.get(page_of(corner)).content.decode()
    assert "Only private" in press(boss, general, "invite")[0]


def test_what_two_people_say_alone_is_for_superusers(mia: Client, boss: Client, ada: User) -> None:
    register("bob")
    key = services.direct_open(user=user_ref(ada), username="bob")[0].channel.key
    made = post(ada, "between us", key)
    channel, message = Channel.objects.get(key=key), Message.objects.get(pk=made["id"])
    for found in (channel, message):
        # Django leads from a row that is not there to the index.
        assert mia.get(page_of(found))["Location"] == "/admin/"
        assert boss.get(page_of(found)).status_code == 200
    assert b"between us" not in mia.get("/admin/chat/message/").content
    assert mia.post(page_of(channel).replace("/change/", "/do/freeze/")).status_code == 404


def test_the_page_asks_the_same_number_of_questions_whatever_it_shows(
    boss: Client, general: Channel, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(16) as few:
        boss.get(page_of(general))
    asked = len(few)
    for number in range(5):
        post(User.objects.get(username="boss"), f"m{number}")
        ChannelMembership.objects.create(
            user=User.objects.create(username=f"member{number}", password="!"), channel=general
        )
        press(boss, general, ("freeze", "thaw")[number % 2])
    with django_assert_max_num_queries(asked):
        boss.get(page_of(general))


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_each_time_can_be_shown_by_the_readers_clock(template: Path) -> None:
    """When a channel was frozen, and until when somebody is banned, was in UTC without a word."""
    text = template.read_text()
    shown = text.count('|date:"Y')
    assert len(re.findall(r'<time datetime="\{\{ [\w.]+\|date:"c" \}\}">\{\{ [\w.]+\|date:"Y', text)) == shown
