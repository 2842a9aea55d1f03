"""The text rules in force: the configured limits and the word filter, read again each second by whoever asks.

One instance per process, owned by the app's config; called in database threads, by the writer and by services.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from chat.domain.policies import TextRules
from chat.domain.words import WordFilter
from chat.models import Report, WordRule
from reaktor.config.model import Limits

REFRESH_S = 1.0


def flagged(text: str, rules: TextRules, message_id: Any, channel_id: int, author_id: Any) -> Report | None:
    """The report, not stored yet, of a message whose text has such a word. Nobody reported it."""
    word = rules.words.flagged_word(text)
    if word is None:
        return None
    report = Report(message_id=message_id, channel_id=channel_id, author_id=author_id, text=text)
    report.reason = f"The word filter found: {word}"
    return report


class CurrentTextRules:
    """current(); the words are compiled anew only where they changed."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = -REFRESH_S
        self._words: list[tuple[str, str]] = []
        self._rules = TextRules(
            max_links=limits.new_account_links,
            new_for=timedelta(seconds=limits.new_account_s if limits.enabled else 0),
        )

    def current(self) -> TextRules:
        """The rules, at most a second old. One query, once a second."""
        with self._lock:
            if self._clock() - self._read_at >= REFRESH_S:
                self._refresh()
            return self._rules

    def _refresh(self) -> None:
        words = list(WordRule.objects.order_by("id").values_list("word", "action"))
        self._read_at = self._clock()
        if words != self._words:
            self._words = words
            by_action = {action: [word for word, its in words if its == action.value] for action in WordRule.Action}
            found = WordFilter.of(reject=by_action[WordRule.Action.REJECT], flag=by_action[WordRule.Action.FLAG])
            self._rules = TextRules(found, self._rules.max_links, self._rules.new_for)
