"""Notices that were given up: a list for superusers alone, which says why, and has them tried again."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from accounts.models import User
from chat.models import Message, Notice, OutboxEntry
from tests.support.rest import post, register
from tests.support.staff import at_admin, moderator, root

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PAGES = {"notice": "/admin/chat/notice/", "outboxentry": "/admin/chat/outboxentry/"}


def notice(text: str, *, problem: str) -> Notice:
    message = Message.objects.get(pk=post(register("author"), text)["id"])
    given_up = timezone.now() if problem else None
    return Notice.objects.create(
        message=message,
        channel_id=message.channel_id,
        user=User.objects.get(username="author"),
        reason="direct",
        created_at=message.created_at,
        push_at=None if problem else timezone.now(),
        failed_at=given_up,
        problem=problem,
    )


@pytest.mark.parametrize("page", PAGES.values())
def test_only_superusers_see_them(page: str) -> None:
    assert at_admin(moderator("mia")).get(page).status_code == 403
    assert at_admin(root("rex")).get(page).status_code == 200


def test_what_was_given_up_is_listed_without_its_text_and_tried_again() -> None:
    failed = notice("our secret", problem="the push service answered 413")
    client = at_admin(root("rex"))
    page = client.get(PAGES["notice"]).content.decode()
    assert "the push service answered 413" in page
    assert "our secret" not in page
    chosen = {"action": "try_again", "_selected_action": [str(failed.pk)]}
    done = client.post(PAGES["notice"], chosen, follow=True)
    assert "To be tried again: 1 notice." in done.content.decode()
    failed.refresh_from_db()
    assert (failed.failed_at, failed.problem, failed.push_at is not None) == (None, "", True)
    assert "the push service answered" not in client.get(PAGES["notice"]).content.decode()


def test_a_message_of_which_no_notices_were_made_is_tried_again() -> None:
    entry = OutboxEntry.objects.create(message_id=uuid.uuid4(), failed_at=timezone.now(), problem="ValueError", tries=8)
    client = at_admin(root("rex"))
    chosen = {"action": "try_again", "_selected_action": [str(entry.pk)]}
    assert "1 message" in client.post(PAGES["outboxentry"], chosen, follow=True).content.decode()
    entry.refresh_from_db()
    assert (entry.failed_at, entry.tries) == (None, 0)
