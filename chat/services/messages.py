"""Writes of messages: posting where no writer runs, editing, deleting, reacting. Deletions of many are purge's.

Rows are locked in this order: channel, then account, then message. Each durable event takes the channel's next seq
under the channel row's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q

from chat import publish
from chat.delivery.wire import mention, message_new
from chat.domain import rules
from chat.domain.calls import call_in
from chat.domain.errors import ArchivedError
from chat.domain.events import Event, EventType, MessageData
from chat.domain.files import check_files
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.policies import TextRules, check_delete_message, check_edit_in_time, check_edit_message
from chat.domain.reading import mention_number
from chat.models import (
    AuditAction,
    Call,
    Channel,
    EarlierText,
    Mention,
    Message,
    Reaction,
    Report,
    SearchChange,
    Thread,
    ThreadFollow,
)
from chat.posting.batches import Post, Stored, store_batch
from chat.posting.calling import call_renamed
from chat.posting.mentioning import Mentioning
from chat.posting.permissions import Writing
from chat.posting.statements import LockedChannel, channels_lock
from chat.posting.textrules import CurrentTextRules, flagged
from chat.posting.threads import follows_begin
from chat.selectors import ChannelAccess, channel_access, message_by_id, parse_message_id, reads_of
from chat.services.audit import audit_add
from chat.services.bulk import marks_remove
from chat.services.threads import GoneReply, replies_gone
from reaktor.errors import ConflictError, NotFoundError, ReaktorError, UnavailableError
from reaktor.process import node
from reaktor.why import Why

REACTIONS_PER_MESSAGE, EMOJI_PER_MESSAGE = 500, 50
"""Each event of a message names all who reacted: in the longest names about 90 KB, usually 5."""
EARLIER_TEXTS = 100
"""So many a message has at most."""
POST_TIMEOUT_S = 15.0
"""More than the writer's own: it answers first, so that a time-out here is its loop's."""


def message_post(
    *,
    user: UserRef,
    key: ChannelKey,
    text: str,
    nonce: str | None,
    reply_to: str | None = None,
    max_chars: int,
    text_rules: CurrentTextRules | None = None,
    via: str | None = None,
    files: Sequence[str] = (),
    thread: str | None = None,
    also_in_channel: bool = False,
    is_confirmed: bool | None = None,
) -> Stored:
    """Store a message; permission is enough, no live session is needed. The same nonce again: the same message.
    `is_confirmed`: its sender knows how many it calls; None: they can't be asked.

    Where a runtime runs its writer takes it into the next batch. Raises NotFoundError, InvalidError, TooLargeError,
    whatever chat.posting.permissions refuses, and UnavailableError (then it may be stored all the same: repeat it with
    its nonce).
    """
    checked = rules.check_text(text, max_chars=max_chars, may_be_empty=bool(files))
    if nonce is not None:
        rules.check_nonce(nonce)
    found = channel_access(user=user, key=key)
    rules.check_in_thread(thread, also_in_channel=also_in_channel)
    post = Post(
        user,
        found.channel.key,
        checked,
        nonce,
        reply_to,
        via=via,
        files=check_files(files),
        thread=thread,
        also_in_channel=also_in_channel,
        is_confirmed=is_confirmed,
    )
    here = node.current()
    if here is not None:
        try:
            stored: Stored = here.call(here.runtime.writer.post(post), POST_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError from None
        return stored
    result = store_batch([post], text_rules.current() if text_rules is not None else None)[0]
    if not isinstance(result, Stored):
        raise result
    if not result.is_duplicate:
        publish.durable(message_new(result.message))
    return result


# -- Changes of stored messages -----------------------------------------------------------------------------------


def message_edit(
    *,
    user: UserRef,
    key: str,
    message_id: str,
    text: str,
    max_chars: int,
    window_s: float = 0.0,
    text_rules: CurrentTextRules | None = None,
) -> MessageData:
    """Another text for one's own message; the one of before is kept. `window_s`: so old it may be; 0: any age.

    A message with files may do without a text. Raises ForbiddenError, NotFoundError, ConflictError (deleted),
    EditWindowError, and whatever keeps its author from writing it anew.
    """
    wanted = rules.check_text(text, max_chars=max_chars, may_be_empty=True)
    newly: list[UserRef] = []
    allowed = text_rules.current() if text_rules is not None else TextRules()

    def change(message: Message, found: ChannelAccess, channel: LockedChannel) -> bool:
        check_edit_message(is_own=str(message.author_id) == user.id)
        now = datetime.now(UTC)
        check_edit_in_time(found.access, now - message.created_at, timedelta(seconds=window_s))
        rules.check_text(wanted, max_chars=max_chars, may_be_empty=message.files is not None)
        if message.text == wanted:
            return False
        _keep_earlier(message)
        message.text = wanted
        message.edited_at = now
        newly.extend(_mentions_replace(message, channel, user))
        _flag_anew(message, allowed)
        return True

    def refusal(writing: Writing, channel: LockedChannel) -> ReaktorError | None:
        return writing.edit_refusal(channel, user.id, wanted, allowed)

    with transaction.atomic():
        data = _message_change(user, key, message_id, EventType.MESSAGE_UPDATED, change, refusal)
        for each in newly:
            publish.to_user(each.id, mention(data))
            _tell_read(each, data)
    return data


def _keep_earlier(message: Message) -> None:
    """What a locked message says until now. Of very many texts the first one and the newest are kept."""
    EarlierText.objects.create(
        message=message,
        author_id=message.author_id,
        text=message.text,
        written_at=message.edited_at or message.created_at,
    )
    kept = EarlierText.objects.filter(message=message).order_by("pk").values_list("pk", flat=True)
    if len(ids := list(kept[: EARLIER_TEXTS + 1])) > EARLIER_TEXTS:
        EarlierText.objects.filter(pk=ids[1]).delete()


def _tell_read(user: UserRef, message: MessageData) -> None:
    """An old message names the user now. How many do is counted anew: nobody can tell it from one counted before."""
    key = ChannelKey(message["channel"])
    for read in reads_of([user.id])[user.id]:
        if read.channel == key:
            publish.to_user(user.id, Event(EventType.READ_UPDATED, key, read.data))


def message_delete(*, user: UserRef, key: str, message_id: str, reason: str = "") -> MessageData:
    """The text goes, the place stays. By its author or a moderator; repeating it changes nothing."""

    def change(message: Message, found: ChannelAccess, channel: LockedChannel) -> bool:
        is_own = str(message.author_id) == user.id
        check_delete_message(found.access, is_own=is_own)
        if message.deleted_at is not None:
            return False
        text_remove(message)
        if not is_own:
            target = UserRef(UserId(str(message.author_id)), message.author.username)
            details = {"message": str(message.pk), "number": message.number}
            audit_add(user, AuditAction.MESSAGE_DELETE, target, found.channel.key, reason, details)
        return True

    return _message_change(user, key, message_id, EventType.MESSAGE_DELETED, change)


def text_remove(message: Message) -> None:
    """Make a locked message a deleted one, with what hangs on it; the caller saves it under a new seq."""
    message.text = ""
    if message.via is not None:
        message.via = ""
    message.calls = None
    message.deleted_at = datetime.now(UTC)
    message.files = None
    marks_remove([message.pk])


def reaction_add(*, user: UserRef, key: str, message_id: str, emoji: str) -> MessageData:
    """One's emoji on a message; the same again changes nothing."""
    wanted = rules.check_emoji(emoji)
    spellings = rules.emoji_spellings(emoji, wanted)

    def change(message: Message, found: ChannelAccess, channel: LockedChannel) -> bool:
        same = Q(emoji__in=spellings)
        held = Reaction.objects.filter(message=message).aggregate(
            all=Count("pk"),
            kinds=Count("emoji", distinct=True),
            same=Count("pk", filter=same),
            own=Count("pk", filter=same & Q(user_id=user.id)),
        )
        if held["own"]:
            return False
        if held["all"] >= REACTIONS_PER_MESSAGE or (not held["same"] and held["kinds"] >= EMOJI_PER_MESSAGE):
            raise ConflictError("That message has as many reactions as it can bear.", why=Why.TOO_MANY_REACTIONS)
        Reaction.objects.create(message=message, user_id=user.id, emoji=wanted)
        return True

    return _message_change(user, key, message_id, EventType.REACTION_CHANGED, change, may_write(user))


def reaction_remove(*, user: UserRef, key: str, message_id: str, emoji: str) -> MessageData:
    """Take one's emoji back; one that is not there changes nothing."""
    spellings = rules.emoji_spellings(emoji, rules.check_emoji(emoji))

    def change(message: Message, found: ChannelAccess, channel: LockedChannel) -> bool:
        return bool(Reaction.objects.filter(message=message, user_id=user.id, emoji__in=spellings).delete()[0])

    return _message_change(user, key, message_id, EventType.REACTION_CHANGED, change, may_write(user))


Refusal = Callable[[Writing, LockedChannel], ReaktorError | None]


def may_write(user: UserRef) -> Refusal:
    """What keeps the user from writing in the channel at all."""
    return lambda writing, channel: writing.refusal(channel, user.id)


def _message_change(
    user: UserRef,
    key: str,
    message_id: str,
    kind: EventType,
    change: Callable[[Message, ChannelAccess, LockedChannel], bool],
    refusal: Refusal | None = None,
) -> MessageData:
    """Lock channel and message, ask whether `refusal` stands against it, let `change` change the message (False:
    nothing to do), take a seq, store, publish. Without a `refusal` it is a deletion, which goes on where nobody writes.
    """
    wanted = parse_message_id(message_id)
    with transaction.atomic():
        found = _changeable(user, key, is_deletion=refusal is None)
        channel = channels_lock([found.channel.key])[0]
        if refusal is None:
            # Who was a moderator may be none by now. The others are asked about by their `refusal`.
            found = _changeable(user, key, is_deletion=True)
        else:
            refused = refusal(Writing([(channel, user.id)], datetime.now(UTC)), channel)
            if refused is not None:
                raise refused
        message = Message.objects.select_for_update(of=("self",)).filter(channel_id=channel.id, pk=wanted).first()
        if message is None:
            raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE)
        if message.deleted_at is not None and refusal is not None:
            raise ConflictError("That message is deleted.", why=Why.MESSAGE_DELETED)
        if not change(message, found, channel):
            return message_by_id(channel.id, message_id)
        return message_store(message, channel.seq + 1, kind, found.channel.key)


def _changeable(user: UserRef, key: str, *, is_deletion: bool) -> ChannelAccess:
    """The channel as the user sees it, in which messages may be changed. Raises NotFoundError, BannedError,
    ArchivedError.
    """
    found = channel_access(user=user, key=ChannelKey(key), to_moderate=is_deletion)
    if found.access.is_archived and not (is_deletion and found.access.can_moderate):
        # What nobody may read any more has to go from there, too.
        raise ArchivedError
    return found


def message_store(message: Message, seq: int, kind: EventType, key: ChannelKey) -> MessageData:
    """Store a changed message of a locked channel under the channel's next seq, and publish it."""
    Channel.objects.filter(pk=message.channel_id).update(seq=seq)
    message.changed_seq = seq
    message.save(update_fields=["text", "via", "files", "calls", "edited_at", "deleted_at", "changed_seq"])
    if kind is EventType.MESSAGE_DELETED and message.thread_id is not None:
        replies_gone([GoneReply(message.thread_id, message.author_id, message.number)], seq)
    if kind is not EventType.REACTION_CHANGED:
        SearchChange.objects.create(channel_id=message.channel_id)
    data = message_by_id(message.channel_id, str(message.pk))
    publish.durable(Event(kind, key, data, seq))
    return data


def _mentions_replace(message: Message, channel: LockedChannel, author: UserRef) -> list[UserRef]:
    """Whom the edited text mentions; those who are to be told: nobody who was mentioned before."""
    before = {str(pk) for pk in Mention.objects.filter(message=message).values_list("user_id", flat=True)}
    Mention.objects.filter(message=message).delete()
    mentioning = Mentioning([message.text], [channel], [author.id], datetime.now(UTC))
    mentioned = mentioning.of(message.text, channel, author.id)
    read: dict[str, int] = {}
    if message.is_aside and message.thread_id is not None:
        theirs = ThreadFollow.objects.filter(thread_id=message.thread_id, user_id__in=[user.id for user in mentioned])
        read = {str(pk): number for pk, number in theirs.values_list("user_id", "read_number")}
    Mention.objects.bulk_create(
        Mention(
            message=message,
            channel_id=channel.id,
            user_id=user.id,
            number=mention_number(message.number, is_aside=bool(message.is_aside), thread_read=read.get(user.id, 0)),
        )
        for user in mentioned
    )
    # A mention in a root counts as one in its thread, once there is one.
    root = message.thread_id or (message.pk if mentioned and Thread.objects.filter(pk=message.pk).exists() else None)
    if root is not None and mentioned:
        follows_begin({root: [user.id for user in mentioned]}, undecided=[root])
    if message.calls is not None:
        _call_keep(message, before, {user.id for user in mentioned})
    return [user for user in mentioned if user.id not in before]


def _call_keep(message: Message, before: set[str], mentioned: set[str]) -> None:
    """An edit calls nobody; and what no longer says so has called nobody."""
    call = Call.objects.filter(message=message).first()
    if call is not None and call_in(message.text) == message.calls:
        call_renamed(call, before, mentioned)
    else:
        message.calls = None
        Call.objects.filter(message=message).delete()


def _flag_anew(message: Message, rules: TextRules) -> None:
    """An edited text is looked at like a new one; a report that is open already says enough."""
    report = flagged(message.text, rules, message.pk, message.channel_id, message.author_id)
    if report is not None and not Report.objects.filter(message=message, reporter=None, resolved_at=None).exists():
        report.save()
