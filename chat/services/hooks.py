"""Writes of incoming webhooks: made and deleted by a channel's moderators; and what is posted by one.

A webhook speaks with an account of its own (accounts.bots), named after it, which belongs to whoever made the webhook:
while that account is off, nothing can be posted. What it posts takes the way of every other message.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Callable

from django.db import transaction

from accounts import bots
from accounts import services as accounts
from accounts.bot_tokens import check_may_speak
from accounts.claims import name_check, names_lock
from accounts.models import Bot, User
from chat.domain import rules
from chat.domain.formatting import shortened
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.moderation import HookMadeData
from chat.domain.policies import Access
from chat.hooks.slack import posting_of
from chat.models import AuditAction, Hook
from chat.posting.batches import Stored
from chat.posting.textrules import CurrentTextRules
from chat.selectors import hook_data, user_ref
from chat.services.audit import audit_add
from chat.services.locking import channel_locked
from chat.services.memberships import member_add
from chat.services.messages import message_post
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NameTakenError, NotFoundError
from reaktor.why import Why

PREFIX = "rkh_"
MAX_HOOKS = 20
"""Of one channel."""
MAX_BODY_BYTES = 64 * 1024
_NAME_CHARS = 24
_TRIES = 40
_ID = re.compile("[0-9]{1,18}")
_NO_HOOK = "There is no such webhook."


def hook_create(*, user: UserRef, key: str, name: str, public_url: str) -> HookMadeData:
    """A webhook of the channel, by a moderator. The address is shown this once.

    Raises InvalidError (the name; a direct channel), ConflictError (too many; archived), ForbiddenError (bots).
    """
    shown = rules.check_channel_name(name)
    # The lock of names comes before that of any row.
    with transaction.atomic():
        names_lock()
        return _hook_store(user, key, shown, public_url)


def _hook_store(user: UserRef, key: str, shown: str, public_url: str) -> HookMadeData:
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    with channel_locked(user=user, key=key, check=Access.check_moderate) as found:
        owner = User.objects.get(pk=user.id)
        _check_may_have(found.channel.kind.is_direct, is_archived=found.access.is_archived, owner=owner)
        if Hook.objects.filter(channel_id=found.channel.id).count() >= MAX_HOOKS:
            raise ConflictError(f"A channel has at most {MAX_HOOKS} webhooks.", why=Why.TOO_MANY, limit=MAX_HOOKS)
        bot = _account_make(owner, shown)
        if found.channel.kind.is_closed:
            member_add(found.channel.id, UserId(str(bot.pk)), read_to=found.channel.head)
        hook = Hook.objects.create(
            channel_id=found.channel.id, user=bot.user, name=shown, digest=digest_of(token), created_by=owner
        )
        details = {"id": hook.pk, "name": shown}
        audit_add(user, AuditAction.HOOK_CREATE, user_ref(bot.user), found.channel.key, details=details)
    return {"hook": hook_data(hook), "token": token, "url": f"{public_url}/hooks/{token}"}


def _check_may_have(is_direct: bool, *, is_archived: bool, owner: User) -> None:
    if is_direct:
        raise InvalidError("Direct channels and groups have no webhooks.")
    if is_archived:
        raise ConflictError("The channel is archived.")
    if owner.is_bot:
        raise ForbiddenError("A bot makes no webhooks.")


def _account_make(owner: User, name: str) -> Bot:
    """The account that the webhook speaks with, called as nearly as it can be. Raises NameTakenError."""
    base, shown = _as_username(name), shortened(name, 64)
    for number in range(1, _TRIES):
        username = base if number == 1 else f"{base}{number}"
        try:
            accounts.check_username(username)
            name_check(username)
            return bots.bot_account_make(owner=owner, username=username, display_name=shown, kind=Bot.Kind.HOOK)
        except (InvalidError, NameTakenError):
            continue
    return bots.bot_account_make(
        owner=owner, username=f"{base}{secrets.token_hex(4)}", display_name=shown, kind=Bot.Kind.HOOK
    )


def _as_username(name: str) -> str:
    """Its Latin letters and digits, or `hook`: a name that any rule for names lets through."""
    letters = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in letters if char.isascii() and char.isalnum())[:_NAME_CHARS].lower()
    return plain if len(plain) > 2 else f"hook{plain}"


def hook_delete(*, user: UserRef, key: str, hook_id: str) -> None:
    """Nothing can be posted by the webhook any more, from now on. By a moderator. What it posted stays."""
    with channel_locked(user=user, key=key, check=Access.check_moderate) as found:
        hook = _hook_find(found.channel.id, hook_id)
        accounts.user_disable(hook.user)
        details = {"id": hook.pk, "name": hook.name}
        audit_add(user, AuditAction.HOOK_DELETE, user_ref(hook.user), found.channel.key, details=details)
        hook.delete()


def _hook_find(channel_id: int, hook_id: str) -> Hook:
    """Under the channel's lock. Raises NotFoundError."""
    is_id = _ID.fullmatch(hook_id) is not None
    mine = Hook.objects.select_related("user").filter(channel_id=channel_id)
    hook = mine.filter(pk=int(hook_id)).first() if is_id else None
    if hook is None:
        raise NotFoundError(_NO_HOOK)
    return hook


def digest_of(token: str) -> str:
    """What is stored of a webhook's token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def hook_post(
    *,
    token: str,
    body: bytes,
    count: Callable[[str], None],
    max_chars: int,
    text_rules: CurrentTextRules | None = None,
) -> Stored:
    """Post what Slack's body says into the webhook's channel. `count` is asked once for the webhook.

    Raises NotFoundError (no such webhook), BannedError (it, or whoever made it, is off), InvalidError, whatever `count`
    raises, and whatever keeps its account from writing there.
    """
    hook = Hook.objects.select_related("channel").filter(digest=digest_of(token)).first()
    if hook is None:
        raise NotFoundError(_NO_HOOK)
    bot = Bot.objects.select_related("user", "owner").get(pk=hook.user_id)
    check_may_speak(bot)
    count(f"hook {hook.pk}")
    posting = posting_of(body, max_chars=max_chars)
    return message_post(
        user=user_ref(bot.user),
        key=ChannelKey(hook.channel.key),
        text=posting.text,
        nonce=None,
        max_chars=max_chars,
        text_rules=text_rules,
        via=posting.via or rules.shown_via(hook.name),
    )
