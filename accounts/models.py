"""Who you are: the user, and the log-ins that were ended.

Users are written by accounts.services, .deletion and .importing, by the admin's form (accounts.admin) and by an import
(chat.moving); ended log-ins by accounts.tokens.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import names
from accounts.claims import name_claim
from accounts.mail_models import EmailAddress, Mail, MailToken, WaitingAccount
from accounts.name_columns import FoldedName, NameSkeleton
from accounts.passwords import opaque
from accounts.searching import SearchField
from accounts.validators import NOT_ALLOWED, validate_username
from reaktor.db.ids import uuid7
from reaktor.errors import NameTakenError

__all__ = [
    "DirectFrom",
    "EmailAddress",
    "EndedLogin",
    "FormerName",
    "Mail",
    "MailToken",
    "RefreshFamily",
    "User",
    "UserManager",
    "WaitingAccount",
]


class DirectFrom(models.TextChoices):
    """From whom somebody takes a first direct message. What was begun goes on, and staff reach everybody."""

    EVERYBODY = "everybody", "everybody"
    SHARED = "shared", "who shares a channel with them"
    NOBODY = "nobody", "nobody"


class UserManager(BaseUserManager["User"]):
    """Finds users by name, in any spelling of it, and makes them for Django's own commands."""

    def named(self, wanted: Iterable[str]) -> models.QuerySet[User]:
        """Who may have one of these folded names: compare, names.folded(found.username). Two indexes.

        An ASCII name is also found where old code wrote it, which knows no folded column (accounts.claims).
        """
        folded = list(wanted)
        found = self.filter(username_folded__in=folded).values("pk")
        lower = [name for name in folded if name.isascii()]
        if lower:
            # One condition of both would be answered by a walk through all of them, or by bitmaps.
            found = found.union(self.alias(lower=Lower("username")).filter(lower__in=lower).values("pk"))
        return self.filter(pk__in=found)

    def get_by_natural_key(self, username: str | None) -> User:
        wanted = names.folded(username or "")
        for user in self.named([wanted]):
            if names.folded(user.username) == wanted:
                return user
        raise self.model.DoesNotExist

    def create_user(self, username: str, password: str | None = None, **fields: object) -> User:
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: object) -> User:
        """What `createsuperuser` calls. Raises ValidationError."""
        validate_username(username)
        if names.is_reserved(username, by_operator=True):
            raise ValidationError(NOT_ALLOWED)
        with transaction.atomic(using=self._db):
            try:
                name_claim(names.stored(username))
            except NameTakenError as error:
                raise ValidationError(error.message) from error
            rights = {"is_staff": True, "is_superuser": True}
            return self.create_user(names.stored(username), password, **{**rights, **fields})


class User(AbstractBaseUser, PermissionsMixin):
    """An account. `token_version` is in every token: raising it ends them all."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(
        max_length=32,
        unique=True,  # Django's check of USERNAME_FIELD knows no functional constraint
        validators=[validate_username],
        help_text="2 to 32 letters or digits of one script; upper and lower case name the same account.",
    )
    username_folded = FoldedName()
    username_skeleton = NameSkeleton()
    display_name = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    status_text = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    avatar = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    direct_from = models.CharField(
        max_length=9,
        choices=DirectFrom.choices,
        default=DirectFrom.EVERYBODY,
        db_default=DirectFrom.EVERYBODY.value,
        editable=False,
    )
    search_name = SearchField(source="username")
    search_display = SearchField(source="display_name")
    is_bot = models.BooleanField("bot", default=False, db_default=False, editable=False)
    is_active = models.BooleanField("active", default=True, help_text="Off: can't log in, and no token works.")
    is_staff = models.BooleanField(
        "staff",
        default=False,
        help_text="Moderates everywhere; the admin shows it what its permissions say.",
    )
    banned_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="No log-in until then.")
    ban_reason = models.CharField(max_length=400, blank=True, default="", db_default="", editable=False)
    muted_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="Writes nowhere until then.")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Deleted by its owner.")
    token_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    came_by: tuple[str, ...] = ()
    """How the log-in of this request was shown to be its owner's (accounts.tokens); nothing that is stored."""

    USERNAME_FIELD = "username"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("username"), name="user_username_folded", violation_error_message="That name is taken."
            ),
        ]
        # For the admin's filters, each of which few accounts pass.
        indexes = [
            models.Index(fields=["id"], condition=models.Q(is_active=False), name="user_off"),
            models.Index(fields=["id"], condition=models.Q(is_staff=True), name="user_staff"),
            models.Index(fields=["id"], condition=models.Q(is_superuser=True), name="user_superuser"),
            models.Index(fields=["username_folded"], name="user_name_folded"),
            models.Index(fields=["username_skeleton"], name="user_name_skeleton"),
            # For the directory (accounts.directory): who may be found, by the beginning of a name.
            models.Index(fields=["search_name", "id"], condition=models.Q(is_active=True), name="user_search_name"),
            models.Index(
                fields=["search_display", "id"],
                condition=models.Q(is_active=True, search_display__isnull=False),
                name="user_search_display",
            ),
            models.Index(fields=["id"], condition=models.Q(search_name=None), name="user_unsearched"),
            # Whether a picture is anybody's still.
            models.Index(fields=["avatar"], condition=~models.Q(avatar=""), name="user_avatar"),
        ]

    def __str__(self) -> str:
        return self.username

    def set_password(self, raw_password: str | None) -> None:
        """For Django's own forms and commands; everything else goes through accounts.hashing."""
        super().set_password(None if raw_password is None else opaque(raw_password))

    def get_session_auth_hash(self) -> str:
        """What a login session of Django's (the admin's) is compared with: it ends when the tokens do."""
        return salted_hmac("accounts.session", f"{self.password}:{self.token_version}", algorithm="sha256").hexdigest()


class Picture(models.Model):
    """A person's picture in its sizes, by the hash of its bytes: one row, however many accounts have it.

    In the database, not in files: every host has to show it, and the three together are some ten kilobytes. Written by
    accounts.profiles; `stored_at` is when somebody took it last.
    """

    hash = models.CharField(max_length=64, primary_key=True)
    small = models.BinaryField()
    medium = models.BinaryField()
    large = models.BinaryField()
    stored_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.hash


class EndedLogin(models.Model):
    """A log-in that was ended: the tokens that come from it are dead. Kept until the last of them would be anyway."""

    id = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.id} of {self.user_id}"


class RefreshFamily(models.Model):
    """The refresh tokens of one log-in (the id), by their ids: the one that is good now, and those before it.

    `current` "": none is, somebody logged out. `since`: when the current one was made. `replaced`: the last ones before
    it, as [id, when it was replaced]. Written by accounts.refreshes, kept until the last token has expired.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    current = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField()
    replaced = models.JSONField(default=list)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.id} of {self.user_id}"


class Bot(models.Model):
    """An account that a program speaks with, and its one token. Written by accounts.bots.

    `owner` NULL: it is the server's. `kind` hook: it speaks for an incoming webhook, has no token and logs in nowhere.
    `login` NULL: there is no token; else the log-in that its sessions belong to. `digest`: SHA-256 of the token;
    `version`: the account's token_version that it was made with.
    """

    class Kind(models.TextChoices):
        BOT = "bot", "Bot"
        HOOK = "hook", "Webhook"

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="bot")
    # Begins an index below.
    owner = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.BOT)
    scopes = models.CharField(max_length=20, blank=True, default="")
    login = models.UUIDField(null=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    token_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [models.Index(fields=["owner", "user"], name="bot_owner")]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"

    @property
    def has_token(self) -> bool:
        """Whether there is one that nothing has ended."""
        return self.login is not None and self.version == self.user.token_version


class FormerName(models.Model):
    """A name that an account had: until then nobody else can take it, or one that looks the same. Of a deleted account:
    nobody at all.

    One row for each folded name: of the account that had it last. Written by accounts.naming. `name`: as it was shown,
    `skeleton`: what it looks like; null where a version before 0.6 wrote the row (accounts.claims).
    """

    folded = models.CharField(max_length=32, primary_key=True)
    name = models.CharField(max_length=32, null=True)
    skeleton = models.TextField(null=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(db_index=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["skeleton"], name="former_name_skeleton")]

    def __str__(self) -> str:
        return f"{self.folded}, once of {self.user_id}"


class AppPassword(models.Model):
    """A password for one client that knows no second factor; of the password itself there is only the digest.

    `login`: the log-in of all tokens that came by it; another one after a log-out there. Written by
    accounts.app_passwords, and by accounts.services and .tokens, which end them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    login = models.UUIDField(unique=True, default=uuid.uuid4)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"
