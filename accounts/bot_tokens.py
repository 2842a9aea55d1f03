"""A bot's token: what it looks like, and whether it is good now. Written by accounts.bots.

It is a JWT behind a prefix that scanners for secrets find: whose it is can be read and checked on the loop, as of any
other token, and only then is the store asked. The store keeps its SHA-256 alone, so that neither a copy of the database
nor the signing key is enough to speak as a bot.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid

from accounts import tokens
from accounts.models import Bot, User
from reaktor.errors import BannedError, NotAuthenticatedError

PREFIX = "rkb_"
WRITE = "write"
SCOPES = ("read", WRITE)
"""What a token may be good for. Without `write` it changes nothing."""
KINDS = frozenset({tokens.BotToken.token_type})
OWNER_OFF = "The account that this bot belongs to is switched off or banned."


def token_make(user: User, login: uuid.UUID, scopes: str) -> str:
    """A new token of the bot for that log-in. `scopes`: as stored."""
    token = tokens.new(tokens.BotToken, user, login)
    token["scopes"] = scopes
    return f"{PREFIX}{token}"


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def bot_of(user_id: str, *, version: int, login: uuid.UUID, digest: str) -> User:
    """The bot whose verified token has this digest, as stored now. One query.

    Raises BannedError (it, or whoever it belongs to, is off) and NotAuthenticatedError (it is gone, or the token was
    revoked).
    """
    bot = Bot.objects.select_related("user", "owner").filter(pk=uuid.UUID(user_id)).first()
    if bot is None:
        raise NotAuthenticatedError("The token is not valid.")
    check_may_speak(bot)
    is_its = hmac.compare_digest(bot.digest, digest) and bot.login == login
    if not is_its or bot.user.token_version != version:
        raise NotAuthenticatedError("The token was revoked.")
    return bot.user


def check_may_speak(bot: Bot) -> None:
    """Raises BannedError where the bot's account is off or banned, or its owner's is."""
    tokens.check_may_log_in(bot.user)
    if bot.owner is not None:
        try:
            tokens.check_may_log_in(bot.owner)
        except BannedError:
            # Why, and until when, is the owner's alone to know.
            raise BannedError(OWNER_OFF) from None
