"""Writes of the word filter's rules, and what they refuse beside messages.

Every process reads the rules anew within a second (chat.posting.textrules).
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from chat.domain.ids import UserRef
from chat.domain.rules import has_unstorable
from chat.models import AuditAction, WordRule
from chat.posting.textrules import CurrentTextRules
from chat.services.audit import audit_add
from reaktor.errors import ForbiddenError, InvalidError
from reaktor.why import Why

WORD_CHARS = 80


def word_set(*, user: UserRef, word: str, action: str) -> WordRule:
    """Have messages with this word rejected or reported; a rule that there is gets the new action. By staff.

    Raises InvalidError, ForbiddenError.
    """
    _check_staff(user)
    wanted = word.strip()
    if not 1 <= len(wanted) <= WORD_CHARS or has_unstorable(wanted):
        raise InvalidError(f"A word has 1 to {WORD_CHARS} characters.", fields={"word": f"1 to {WORD_CHARS}"})
    if action not in WordRule.Action.values:
        words = ", ".join(WordRule.Action.values)
        raise InvalidError(f"An action is one of {words}.", fields={"action": words})
    with transaction.atomic():
        rule, _ = WordRule.objects.update_or_create(word=wanted, defaults={"action": action})
        audit_add(user, AuditAction.WORD_ADD, details={"word": wanted, "action": action})
    return rule


def word_remove(*, user: UserRef, word: str) -> None:
    """The rule is gone; repeating it changes nothing. By staff. Raises ForbiddenError."""
    _check_staff(user)
    with transaction.atomic():
        if WordRule.objects.filter(word=word).delete()[0]:
            audit_add(user, AuditAction.WORD_REMOVE, details={"word": word})


def words_check(user: UserRef, texts: Iterable[str], text_rules: CurrentTextRules | None) -> None:
    """Names, topics and profiles are read by more people than any message. Staff may write what they like.

    Raises ForbiddenError.
    """
    if text_rules is None or user.is_staff:
        return
    words = text_rules.current().words
    if any(words.rejects(text) for text in texts):
        raise ForbiddenError("That has words that are not allowed here.", why=Why.WORDS_NOT_ALLOWED)


def _check_staff(user: UserRef) -> None:
    if not user.is_staff:
        raise ForbiddenError("Only staff may do that.")
