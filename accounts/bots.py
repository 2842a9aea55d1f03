"""Writes: bots, and their tokens. Called in threads.

A bot is an account that a program speaks with: without a password, a log-in or the rights of staff. It belongs to
whoever made it, and is off while that account is; NULL owns those of the server. Its one token is shown once.
A webhook's account is made and ended here, too; the rest of a webhook is chat's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, TypedDict

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts import bot_tokens, deletion, services, tokens
from accounts.claims import names_lock
from accounts.models import Bot, User
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from reaktor.shapes import Keyword, Time, Uuid
from reaktor.times import timestamp
from reaktor.why import Why

MAX_BOTS = 10
"""Of one account."""
DISPLAY_NAME_CHARS = 64


class BotTokenData(TypedDict):
    """What is known of a bot's token. The token itself is shown once, when it is made."""

    scopes: list[Annotated[str, Keyword("enum", bot_tokens.SCOPES)]]
    created_at: Time


class BotData(TypedDict):
    """A bot of one's own."""

    id: Uuid
    username: str
    display_name: str
    is_active: Annotated[bool, "False: staff has switched it off."]
    created_at: Time
    token: Annotated[BotTokenData | None, "Null: it has none, and can't speak."]


class BotTokenMadeData(BotTokenData):
    """A new token of a bot."""

    token: Annotated[str, "Keep it: it is shown this once."]


class BotMadeData(TypedDict):
    """A new bot with its first token."""

    bot: BotData
    token: Annotated[str, "Keep it: it is shown this once."]


def bots_of(owner: User) -> list[BotData]:
    """The account's bots, oldest first. One query."""
    found = Bot.objects.filter(owner=owner, kind=Bot.Kind.BOT, user__deleted_at=None).select_related("user")
    return [bot_data(bot) for bot in found.order_by("pk")]


def bot_data(bot: Bot) -> BotData:
    return {
        "id": str(bot.pk),
        "username": bot.user.username,
        "display_name": bot.user.display_name,
        "is_active": bot.user.is_active,
        "created_at": timestamp(bot.user.created_at),
        "token": token_data(bot) if bot.has_token else None,
    }


def token_data(bot: Bot) -> BotTokenData:
    """Raises NotFoundError where the bot has no token."""
    if bot.token_since is None or not bot.has_token:
        raise NotFoundError("The bot has no token.")
    return {"scopes": bot.scopes.split(), "created_at": timestamp(bot.token_since)}


def bot_find(owner: User | None, bot_id: str) -> Bot:
    """A bot of that account (None: of the server). Raises NotFoundError, also for somebody else's."""
    try:
        wanted = uuid.UUID(bot_id)
    except ValueError:
        raise NotFoundError("There is no such bot.") from None
    mine = Bot.objects.filter(owner=owner, kind=Bot.Kind.BOT, user__deleted_at=None)
    bot = mine.select_related("user").filter(pk=wanted).first()
    if bot is None:
        raise NotFoundError("There is no such bot.")
    return bot


def bot_create(
    *, owner: User | None, username: str, display_name: str = "", scopes: Sequence[str] = bot_tokens.SCOPES
) -> BotMadeData:
    """A bot of that account (None: of the server) with its first token.

    Raises InvalidError, NameTakenError, ForbiddenError (who may make none), ConflictError (too many).
    """
    granted = check_scopes(scopes)
    username = services.check_username(username)
    with transaction.atomic():
        names_lock()
        if owner is not None:
            # One after the other, or two at once would both be the last that fits.
            _check_may_make(User.objects.select_for_update(no_key=True).get(pk=owner.pk))
        bot = bot_account_make(owner=owner, username=username, display_name=display_name, kind=Bot.Kind.BOT)
        token = _token_store(bot, granted)
    return {"bot": bot_data(bot), "token": token}


def _check_may_make(owner: User) -> None:
    app = services.app()
    if owner.is_bot:
        raise ForbiddenError("A bot makes no bots.")
    if not owner.is_staff:
        if not app.bots_by_members:
            raise ForbiddenError("Only staff makes bots here.", why=Why.ONLY_STAFF)
        if timezone.now() - owner.created_at < timedelta(seconds=app.new_account_s):
            raise ForbiddenError("Your account is too new to make bots.", why=Why.ACCOUNT_TOO_NEW)
    if Bot.objects.filter(owner=owner, kind=Bot.Kind.BOT, user__deleted_at=None).count() >= MAX_BOTS:
        raise ConflictError(f"An account has at most {MAX_BOTS} bots.", why=Why.TOO_MANY, limit=MAX_BOTS)


def bot_account_make(*, owner: User | None, username: str, display_name: str, kind: str) -> Bot:
    """The account of a bot or a webhook, and its row. Inside a transaction. Raises NameTakenError."""
    user = User(username=username, display_name=display_name, is_bot=True, password=make_password(None))
    services.user_store(user)
    return Bot.objects.create(user=user, owner=owner, kind=kind)


def bot_delete(owner: User, bot_id: str) -> None:
    """The end of a bot's account, as of any other: what it wrote stays under a name that says nothing, or goes."""
    deletion.account_end(bot_find(owner, bot_id).user)


def check_scopes(scopes: Sequence[str]) -> str:
    """As they are stored. `write` brings `read`. Raises InvalidError."""
    if not scopes or not set(scopes) <= set(bot_tokens.SCOPES):
        raise InvalidError("Scopes are read and write.", fields={"scopes": "read, write"})
    return " ".join(bot_tokens.SCOPES if bot_tokens.WRITE in scopes else ("read",))


def bot_token_make(bot: Bot, scopes: Sequence[str] = ()) -> BotTokenMadeData:
    """Another token, for these scopes (none: as before). The old one ends, with every live session of it."""
    granted = check_scopes(scopes or bot.scopes.split() or bot_tokens.SCOPES)
    with transaction.atomic():
        locked = Bot.objects.select_for_update(of=("self",)).select_related("user").get(pk=bot.pk)
        _token_end(locked, "another token was made")
        token = _token_store(locked, granted)
    return {**token_data(locked), "token": token}


def bot_token_revoke(bot: Bot) -> None:
    """The bot's token opens nothing any more, and its live sessions end. Repeating it changes nothing."""
    with transaction.atomic():
        locked = Bot.objects.select_for_update(of=("self",)).select_related("user").get(pk=bot.pk)
        _token_end(locked, "the token was revoked")
        locked.login, locked.digest, locked.scopes, locked.token_since = None, "", "", None
        locked.save(update_fields=["login", "digest", "scopes", "token_since"])


def _token_end(bot: Bot, reason: str) -> None:
    if bot.login is not None:
        tokens.login_end(bot.user, bot.login)
        services.announce_login_end(bot.user, bot.login, reason)


def _token_store(bot: Bot, scopes: str) -> str:
    """The new token, of which the digest is kept."""
    bot.login, bot.scopes, bot.token_since = uuid.uuid4(), scopes, timezone.now()
    bot.version = bot.user.token_version
    token = bot_tokens.token_make(bot.user, bot.login, scopes)
    bot.digest = bot_tokens.digest_of(token)
    bot.save(update_fields=["login", "digest", "scopes", "version", "token_since"])
    return token
