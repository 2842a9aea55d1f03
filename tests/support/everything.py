"""At least one row in every table that an export has: who ann, bob and carol are, and what they did."""

from __future__ import annotations

import tempfile
import uuid
from datetime import UTC, datetime

from django.contrib.auth.models import Group
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import bots, naming, profiles, refreshes, tokens
from accounts.models import AppPassword, User, WaitingAccount
from accounts.services import user_register
from chat import services
from chat.models import (
    AuditAction,
    AuditEntry,
    Channel,
    Deletion,
    File,
    History,
    ImportMark,
    Invite,
    NoticePreferences,
    Purge,
    Removal,
    Report,
    Sanction,
    ServerInvite,
    UserBlock,
    WordRule,
)
from chat.posting.batches import Post, Stored, store_batch
from reaktor.sandbox.pictures import Pictures
from tests.support.databases import channel_of, user_ref
from tests.support.mails import confirmed
from tests.support.pictures import plain


def store_everything() -> None:
    """Stored, with what is awkward to write."""
    History.objects.get_or_create(pk=1)
    ann, bob = user_ref("ann", is_staff=True), user_ref("bob")
    user_register(username="carol", password="secret1", strict=False)
    tea, _ = channel_of(ann, "tea"), channel_of(bob, "prv-x", "private")
    (first,) = store_batch([Post(ann, tea, "zeile\n\u2028 \U0001f600 @bob", "n1")])
    assert isinstance(first, Stored)
    first_id = first.message["id"]
    for post in (Post(bob, tea, "an answer", "n2", first_id), Post(ann, tea, "gone", None)):
        (last,) = store_batch([post])
    assert isinstance(last, Stored)
    services.reaction_add(user=bob, key=tea, message_id=first_id, emoji="👍")
    services.message_delete(user=ann, key=tea, message_id=last.message["id"])
    (called,) = store_batch([Post(bob, tea, "@channel kettle", "n3")])
    assert isinstance(called, Stored)
    called_id = called.message["id"]
    services.message_edit(user=bob, key=tea, message_id=called_id, text="@channel the kettle", max_chars=100)
    services.pin_add(user=ann, key=tea, message_id=called_id)
    (reply,) = store_batch([Post(bob, tea, "in a thread", "n4", thread=first_id)])
    assert isinstance(reply, Stored)
    with tempfile.TemporaryFile() as source:
        source.write(plain())
        profiles.avatar_set(User.objects.get(pk=ann.id), source, Pictures())
    profiles.profile_update(User.objects.get(pk=ann.id), display_name="Änn", status_text="here")
    services.server_page_set(user=ann, name="Tea house", welcome="Hello", rules="Be kind", logo=b"RIFF\xff\x00")
    channel = Channel.objects.get(key=tea)
    until = datetime(2027, 1, 2, 3, 4, 5, 678901, UTC)
    Sanction.objects.create(kind="mute", user_id=bob.id, channel=channel, reason="…", issued_by_id=ann.id, until=until)
    Removal.objects.create(user_id=bob.id, channel=channel, until=until)
    Report.objects.create(message_id=first_id, channel=channel, author_id=ann.id, reason="?", text="zeile")
    Invite.objects.create(channel=channel, created_by_id=ann.id, uses_left=3)
    ServerInvite.objects.create(created_by_id=ann.id, channels=["tea"])
    confirmed(User.objects.get(pk=ann.id), "ann@example.org")
    WaitingAccount.objects.create(user_id=bob.id)
    UserBlock.objects.create(user_id=ann.id, blocked_id=bob.id)
    WordRule.objects.create(word="fie")
    AuditEntry.objects.create(actor="ann", action=AuditAction.MUTE, details={"until": None, "ünï": [1]})
    NoticePreferences.objects.create(user_id=ann.id, push=False)
    now = datetime.now(UTC)
    File.objects.create(owner_id=ann.id, name="tëa.txt", size=3, created_at=now, alive_at=now, message_id=first_id)
    ImportMark.objects.create(source="0" * 64, position=3)
    claims = tokens.new(tokens.REFRESH, User.objects.get(username="ann")).payload
    staff = User.objects.get(username="ann")
    with transaction.atomic():
        refreshes.refreshes_end(claims, staff, datetime.now(UTC))
    naming.name_change(staff, "annabel")
    naming.name_change(staff, "ann")
    # As version 0.2.0 wrote it down.
    old = OutstandingToken.objects.create(user=staff, jti="0" * 32, token="", expires_at=datetime.now(UTC))
    BlacklistedToken.objects.create(token=old)
    tokens.login_end(staff, uuid.uuid4())
    TOTPDevice.objects.create(user=staff, name="phone")
    AppPassword.objects.create(user=User.objects.get(username="carol"), name="Old phone", digest="0" * 64)
    StaticDevice.objects.create(user=staff, name="paper").token_set.create(token="abcdefg2")
    staff.groups.add(Group.objects.create(name="Night shift"))
    bots.bot_create(owner=staff, username="pingbot")
    services.hook_create(user=ann, key=tea, name="Grafana", public_url="")
    Deletion.objects.create(user=User.objects.get(username="carol"))
    at = datetime.now(UTC)
    Purge.objects.create(author=staff, channel=Channel.objects.get(key="tea"), since=at, until=at)
