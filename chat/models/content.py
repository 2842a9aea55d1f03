"""What is stored: channels, messages, durable memberships, reactions, mentions, calls, pins, earlier texts.

New messages come from chat.posting, changes from chat.services, deletions by age and count from chat.retention, imports
from chat.moving. Who gives out a seq or a number does it under the lock of the channel's row. No OFFSET anywhere: pages
go by `number`, "changed since" by `changed_seq`, each along one index.
"""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat.domain.calls import CallWord
from chat.domain.following import Level
from chat.domain.policies import ChannelKind, Role
from chat.domain.rules import EMOJI_CHARS, NAME_CHARS, NONCE_CHARS, TOPIC_CHARS, VIA_CHARS
from chat.models.folding import FoldedField
from reaktor.db.ids import uuid7


def random_channel_key() -> str:
    """43 URL-safe characters, as the seed contract has them. Not "-" first: a command would take it for an option."""
    while (key := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return key


class Channel(models.Model):
    """A chat room and the heads of its two counters."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=64, unique=True, default=random_channel_key, editable=False)
    name = models.CharField(max_length=NAME_CHARS)
    name_folded = FoldedField(source="name")
    topic = models.CharField(max_length=TOPIC_CHARS, blank=True, default="")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.name.title()) for kind in ChannelKind])
    seq = models.BigIntegerField(default=0, editable=False, help_text="Position of the newest durable event.")
    number = models.BigIntegerField(default=0, editable=False, help_text="Number of the newest message.")
    aside = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="How many messages its flow does not show."
    )
    # The first message that only a thread shows: from there on messages say `aside`. Null: there is none.
    aside_from = models.BigIntegerField(null=True, editable=False)
    has_threads = models.BooleanField(
        "threads", default=True, db_default=True, help_text="Messages may be answered in threads."
    )
    called = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Number of the newest message that called its members."
    )
    floor_seq = models.BigIntegerField(default=0, editable=False, help_text="Cursors below it must read anew.")
    slow_mode_s = models.PositiveIntegerField(
        "slow mode",
        default=0,
        db_default=0,
        help_text="Seconds between two messages of one member; 0: off. Moderators are exempt.",
    )
    frozen_at = models.DateTimeField("frozen", null=True, blank=True, help_text="Only moderators write since then.")
    everybody_pins = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Whoever may write may pin, not moderators alone."
    )
    pair = models.CharField(
        max_length=73, null=True, unique=True, editable=False, help_text="A direct channel's two user ids, sorted."
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Older messages are deleted for good. Empty: as the server's setting."
    )
    retention_messages = models.PositiveIntegerField(
        null=True, blank=True, help_text="Only so many of the newest are kept. Empty: as the server's setting."
    )
    is_default = models.BooleanField(default=False, help_text="Every account is a member of it from its start.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "id"], name="channel_kind"),
            # For the admin's filters, each of which few channels pass.
            models.Index(fields=["id"], condition=models.Q(is_default=True), name="channel_default"),
            models.Index(fields=["id"], condition=models.Q(archived_at__isnull=False), name="channel_archived"),
            models.Index(fields=["id"], condition=models.Q(frozen_at__isnull=False), name="channel_frozen"),
        ]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """A stored chat message. A deleted one keeps its place, without its text."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Both begin an index below; one more each would cost every post a fifth of its time in the database.
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="messages", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    number = models.BigIntegerField(editable=False)
    # How many messages of the channel up to this one its flow does not show; null: none (chat.domain.reading).
    aside = models.BigIntegerField(null=True, editable=False)
    # The root of the thread that it belongs to; null: of none. No foreign key: see chat.models.threads.
    thread_id = models.UUIDField(null=True, editable=False)
    # True: its thread alone shows it. Null, as of a message in no thread: the channel's flow does.
    is_aside = models.BooleanField(null=True, editable=False)
    seq = models.BigIntegerField(editable=False)
    changed_seq = models.BigIntegerField(editable=False)
    text = models.TextField()
    nonce = models.CharField(max_length=NONCE_CHARS, null=True, editable=False)
    reply_to = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    created_at = models.DateTimeField(editable=False)
    # Of a webhook's message: the name that it is shown with, "" once it is deleted. Null: it is no webhook's.
    via = models.CharField(max_length=VIA_CHARS, null=True, editable=False)
    # What it shows of its files (chat.domain.files.FileData), as JSON; null: it has none. So readers need no join.
    files = models.TextField(null=True, editable=False)
    # The word by which it calls many (Call says whom). Null: it calls nobody.
    calls = models.CharField(
        max_length=7, null=True, editable=False, choices=[(word.value, word.value) for word in CallWord]
    )
    edited_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "number"], name="message_number"),
            models.UniqueConstraint(fields=["channel", "changed_seq"], name="message_changed_seq"),
            models.UniqueConstraint(
                fields=["channel", "author", "nonce"],
                condition=models.Q(nonce__isnull=False),
                name="message_nonce",
            ),
        ]
        indexes = [
            models.Index(fields=["author", "created_at"], name="message_author"),
            # The database looks for replies to each message that retention deletes.
            models.Index(fields=["reply_to"], condition=models.Q(reply_to__isnull=False), name="message_reply"),
            models.Index(
                fields=["thread_id", "number"], condition=models.Q(thread_id__isnull=False), name="message_thread"
            ),
            # The flow of a channel from its first thread on; before it the index of numbers does. So whoever has no
            # threads pays nothing for it.
            models.Index(
                fields=["channel", "number"],
                condition=models.Q(aside__isnull=False, is_aside__isnull=True),
                name="message_flow",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}/{self.number}"


class ChannelMembership(models.Model):
    """A user's durable belonging to a channel: role, level, read marker. Not who is there now: that is chat.membership.

    The marker (chat.domain.reading) stands at `read_number` and `read_aside`. `own` counts the messages above it if it
    stands at `own_above`, else nothing is known of them: releases before 0.5 move the marker alone.
    """

    id = models.BigAutoField(primary_key=True)
    # Begins an index below.
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=9, choices=[(role.value, role.name.title()) for role in Role], default=Role.MEMBER.value
    )
    level = models.CharField(
        max_length=8,
        choices=[(level.value, level.name.title()) for level in Level],
        blank=True,
        default="",
        db_default="",
        help_text="How much its user is told. Empty: as the channel's kind has it.",
    )
    hidden_number = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="Its user hid the channel, until something is said after this message.",
    )
    read_number = models.BigIntegerField(default=0, editable=False)
    read_aside = models.BigIntegerField(default=0, db_default=0, editable=False)
    read_rev = models.BigIntegerField(default=0, db_default=0, editable=False, help_text="Counts the marker's changes.")
    own = models.BigIntegerField(default=0, db_default=0, editable=False)
    own_above = models.BigIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "channel"], name="membership_user_channel")]
        indexes = [
            models.Index(fields=["channel", "role", "id"], name="membership_role"),
            # Each post asks whether there is one: in most channels there is none.
            models.Index(fields=["channel", "id"], condition=models.Q(level="all"), name="membership_all"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.channel_id}"


class Reaction(models.Model):
    """One user's one emoji on one message."""

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="reactions", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    emoji = models.CharField(max_length=EMOJI_CHARS)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user", "emoji"], name="reaction_once")]

    def __str__(self) -> str:
        return f"{self.emoji} on {self.message_id}"


class Mention(models.Model):
    """A message that names a user. `number`: unread mentions are those above the channel's read marker.

    It is the message's, but of a message that only a thread shows: chat.domain.reading says which it is there.
    """

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="mentions", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="mention_once")]
        indexes = [models.Index(fields=["user", "channel", "number"], name="mention_unread")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.message_id}"


class Call(models.Model):
    """Whom a message calls by @channel or @here: one row, however many they are.

    Each of them has it unread above their read marker, as a mention; chat.selectors.rows says who they are. `present`:
    of @here, the members who were present; null: it calls all. `but`: not these: its author, who blocked the author
    then, and whom it mentions. Both are ids of 32 digits with a blank between, so that a statement can look into them.
    """

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="call")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.BigIntegerField()
    present = models.TextField(null=True)
    but = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["channel", "number"], name="call_unread")]

    def __str__(self) -> str:
        return f"call by {self.message_id}"


class Pin(models.Model):
    """A message that is kept at hand in its channel."""

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="pin")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="pins", db_index=False)
    # Nobody asks what somebody has pinned but for their own export.
    pinned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["channel", "created_at"], name="pin_channel")]

    def __str__(self) -> str:
        return f"{self.message_id} in {self.channel_id}"


class EarlierText(models.Model):
    """What an edited message said before. It goes when its message's text goes, and when its author's account does."""

    id = models.BigAutoField(primary_key=True)
    # Begins an index below.
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="earlier_texts", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()
    written_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["message", "id"], name="earlier_text_message")]

    def __str__(self) -> str:
        return f"{self.message_id} until {self.pk}"


class History(models.Model):
    """One row: the epoch of this database. A restored backup gets a new one, and clients drop their cursors.

    `home`: which database has served it last (reaktor.db.identity). In another one, this is a restored copy.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.UUIDField(default=uuid.uuid4)
    home = models.CharField(max_length=100, null=True)

    class Meta:
        verbose_name_plural = "histories"

    def __str__(self) -> str:
        return str(self.epoch)
