"""What is stored of an account: every table that names one is in its export, and empty of it once it is deleted, or
stands here with the reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey, Model
from django.test.utils import CaptureQueriesContext

from accounts.deletion import account_end
from accounts.models import Mail, MailToken, User
from chat.models import ChannelMembership, Message, Notice, PushSubscription
from chat.selectors.export import export_page
from tests.support.everything import store_everything

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OURS = ("accounts", "chat")
NOT_EXPORTED = {
    "accounts.endedlogin": "dead tokens, for as long as they would have lived",
    "accounts.formername": "kept from others, not for its owner",
    "accounts.mail": "on its way to them",
    "accounts.mailtoken": "what a mail opens, as a digest",
    "accounts.refreshfamily": "tokens",
    "accounts.waitingaccount": "who waits can't log in, and so can't ask",
    "chat.channel": "a channel is its members'",
    "chat.deletion": "is over soon, and then nobody is left to ask",
    "chat.invite": "a channel's",
    "chat.mention": "in the messages of others",
    "chat.notice": "on its way to them",
    "chat.purge": "is over soon",
    "chat.removal": "lasts some seconds; what moderators do is in the sanctions",
}
STAYS = {
    "accounts.bot.owner": "the bot is deleted, too",
    "accounts.endedlogin.user": "so that the tokens stay dead",
    "accounts.formername.user": "for a month nobody takes the name",
    "accounts.refreshfamily.user": "so that the tokens stay dead",
    "chat.channel.created_by": "the channel goes on",
    "chat.file.owner": "in a message that stays",
    "chat.hook.created_by": "it is off, and its messages stay",
    "chat.invite.created_by": "it is revoked",
    "chat.message.author": "kept under a name that says nothing, or removed by and by",
    "chat.pin.pinned_by": "the message stays pinned",
    "chat.purge.author": "is over soon",
    "chat.reaction.user": "as messages",
    "chat.report.author": "moderators need it",
    "chat.report.reporter": "moderators need it",
    "chat.report.resolved_by": "moderators need it",
    "chat.sanction.issued_by": "moderators need it",
    "chat.sanction.lifted_by": "moderators need it",
    "chat.sanction.user": "moderators need it",
    "chat.serverinvite.created_by": "it is revoked",
    "chat.threadfollow.user": "how many replies are theirs",
}


def references() -> Iterator[tuple[type[Model], str]]:
    """(model, field) wherever a table of ours names an account."""
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.concrete_fields:
                if isinstance(field, ForeignKey) and field.related_model is User:
                    yield model, field.name


@pytest.fixture
def ann() -> User:
    """With a row in every table that is written of people."""
    store_everything()
    ann = User.objects.get(username="ann")
    now, message = datetime.now(UTC), Message.objects.filter(deleted_at=None).latest("number")
    Message.objects.filter(author=ann, deleted_at=None).update(edited_at=now)
    Mail.objects.create(user=ann, to="ann@example.org", subject="x", text="x", message_id="<x@example.org>")
    MailToken.objects.create(hash="0" * 64, purpose=MailToken.RESET, user=ann, folded="x", expires_at=now)
    Notice.objects.create(message=message, channel_id=message.channel_id, user=ann, reason="direct", created_at=now)
    PushSubscription.objects.create(
        user=ann, login=uuid.uuid4(), token_version=0, endpoint="https://push.example/x", created_at=now, renewed_at=now
    )
    return ann


def test_the_export_looks_into_every_table_that_names_an_account(ann: User) -> None:
    ChannelMembership.objects.filter(user=ann, channel__key="tea").update(hidden_number=1)
    with CaptureQueriesContext(connection) as queries:
        page = export_page(user=ann)
    asked = {
        model._meta.label_lower
        for model, _ in references()
        if any(f'FROM "{model._meta.db_table}"' in query["sql"] for query in queries)
    }
    assert {model._meta.label_lower for model, _ in references()} - asked == set(NOT_EXPORTED)
    (tea,) = [each for each in page["memberships"] if each["key"] == "tea"]
    assert tea["hidden_number"] == 1


def test_nothing_else_names_a_deleted_account(ann: User) -> None:
    account_end(ann)
    left = {
        f"{model._meta.label_lower}.{name}"
        for model, name in references()
        if model._default_manager.filter(**{name: ann}).exists()
    }
    assert left <= set(STAYS) - {"chat.threadfollow.user"}, "they followed a thread, and said nothing there"
    assert {"chat.message.author", "chat.pin.pinned_by"} <= left
