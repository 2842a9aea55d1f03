"""Writes of the word filter's rules. Every process reads them anew within a second (chat.posting.textrules)."""

from __future__ import annotations

from django.db import transaction

from chat.domain.ids import UserRef
from chat.domain.rules import has_unstorable
from chat.models import AuditAction, WordRule
from chat.services.audit import audit_add
from reaktor.errors import ForbiddenError, InvalidError

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


def _check_staff(user: UserRef) -> None:
    if not user.is_staff:
        raise ForbiddenError("Only staff may do that.")
