"""Group commit: posts of all sessions of this process gather while the previous transaction runs.

submit() queues a post and returns. The database's write thread takes turns: a turn takes what has gathered when it
begins, stores it in one transaction, and tells the loop. By then the next turn is in line, so the thread does not wait
for the loop. `on_stored` is handed what was stored, and acknowledges and delivers in seq order.

Refused are posts that are too many for the queue (at once) or for all processes together, and with `unavailable` all of
a turn when the database is away: then nothing is acknowledged. A post that waits for too long is refused, and never
stored. One whose turn takes too long is refused as well; if it is stored all the same, a moment later, it is delivered
to everybody, its author included.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from functools import partial
from math import inf
from typing import NamedTuple

from chat.domain.calls import CallWord, call_in
from chat.domain.ids import UserId
from chat.posting.batches import Post, Result, Stored, store_batch
from chat.posting.textrules import CurrentTextRules
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from reaktor.errors import ReaktorError, UnavailableError
from reaktor.limits.rates import Rates
from reaktor.observe.metrics import MESSAGES, SECONDS, Histogram

logger = logging.getLogger(__name__)

OnResult = Callable[[Result], None]
LOOK_AGAIN = 0.1
"""The part of the time-out after which it is seen again who is over it: a timer for each post would cost too much."""


class Committed(NamedTuple):
    """One stored post (now or before), and whom to tell when its place in the channel's order has come."""

    post: Post
    stored: Stored
    on_result: OnResult


class _Waiting(NamedTuple):
    """A post that no transaction has taken. `since`: monotonic seconds."""

    post: Post
    on_result: OnResult
    since: float


class _Turn:
    """One transaction, from when it is in line until the loop knows how it ended.

    `began`: monotonic seconds, inf while it is in line. `taken`: what it stores, from then on. `is_given_up`: its posts
    were refused meanwhile.
    """

    __slots__ = ("began", "is_given_up", "taken")

    def __init__(self) -> None:
        self.began = inf
        self.taken: Sequence[_Waiting] = ()
        self.is_given_up = False


class Writer:
    """The one path by which messages are stored in this process. run() is owned by the runtime."""

    def __init__(
        self,
        database: Database,
        config: DatabaseConfig,
        rates: Rates,
        text_rules: CurrentTextRules,
        on_stored: Callable[[Sequence[Committed]], None],
        present: Callable[[], frozenset[UserId]] = frozenset,
    ) -> None:
        """`present`: who is here on any host, and not away; asked in the loop."""
        self._database = database
        self._text_rules = text_rules
        self._batch_messages = config.batch_messages
        self._bound = config.write_queue
        self._timeout_s = config.timeout_s
        self._rates = rates
        self._on_stored = on_stored
        self._present = present
        # The loop puts in, a turn takes out in the thread; who takes out more than one at a time holds the lock.
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._turns: deque[_Turn] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._failure: asyncio.Future[None] | None = None
        self._is_stopped = False
        self.stored_total = 0
        self.batches_total = 0
        self.commit_seconds = Histogram(SECONDS)
        self.commit_messages = Histogram(MESSAGES)

    def __len__(self) -> int:
        """Posts that wait for the next transaction."""
        return len(self._queue)

    def submit(self, post: Post, on_result: OnResult) -> None:
        """Queue a post. `on_result` is called once, in the loop, with Stored or an error. Raises UnavailableError."""
        if self._is_stopped:
            raise UnavailableError("The server is stopping.")
        if len(self._queue) >= self._bound:
            raise UnavailableError("Too many messages are waiting to be stored.")
        if "@" in post.text and call_in(post.text) is CallWord.HERE:
            post = post._replace(present=self._present())
        self._queue.append(_Waiting(post, on_result, time.monotonic()))
        self._see_to_turn()
        if self._timer is None:
            self._look_in(self._timeout_s)

    async def post(self, post: Post) -> Stored:
        """submit() for callers that wait. Raises ReaktorError."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if not future.done():
                future.set_result(result)

        self.submit(post, done)
        try:
            result = await future
        except asyncio.CancelledError:
            # Nobody would learn that it was stored: what still waits is not.
            self._take_out(lambda each: each.on_result is done)
            raise
        if isinstance(result, ReaktorError):
            raise result
        return result

    async def run(self) -> None:
        """Until it is cancelled: from then on everything is refused, what is on its way, too.

        Raises what was raised by those who were told: who of them is left out then would never know.
        """
        self._failure = asyncio.get_running_loop().create_future()
        try:
            await self._failure
        finally:
            self._is_stopped = True
            if self._timer is not None:
                self._timer.cancel()
            stopping = UnavailableError("The server is stopping.")
            waiting = self._take_out(lambda each: True)
            for turn in self._turns:
                self._give_up(turn, stopping)
            _refuse(waiting, stopping)

    # -- Turns ------------------------------------------------------------------------------------------------

    def _see_to_turn(self) -> None:
        """A turn in line takes whatever comes until it begins; where there is none, there has to be one.

        Not in this very moment: what else is read in this turn of the loop shall be stored with it.
        """
        if not self._turns or self._turns[-1].began < inf:
            turn = _Turn()
            self._turns.append(turn)
            asyncio.get_running_loop().call_soon(
                self._database.begin_write, partial(self._store_next, turn), self._on_told
            )

    def _store_next(self, turn: _Turn) -> Sequence[Result]:
        """Take what has gathered, and store it. In the thread."""
        with self._lock:
            turn.began = time.monotonic()
            count = min(len(self._queue), self._batch_messages)
            turn.taken = [self._queue.popleft() for _ in range(count)]
        return self._store_allowed([each.post for each in turn.taken]) if turn.taken else ()

    def _store_allowed(self, posts: Sequence[Post]) -> list[Result]:
        """store_batch() without the posts that are too much; those are answered with their refusal."""
        text_rules = self._text_rules.current()
        if not self._rates.asks_for_sends:
            return store_batch(posts, text_rules)
        refusals = self._rates.sends_elsewhere([post.author.id for post in posts])
        allowed = [post for post, refusal in zip(posts, refusals, strict=True) if refusal is None]
        stored = iter(store_batch(allowed, text_rules) if allowed else ())
        return [next(stored) if refusal is None else refusal for refusal in refusals]

    def _on_told(self, found: Sequence[Result] | Exception) -> None:
        """The oldest turn has ended: they end in the order in which they began."""
        turn = self._turns.popleft()
        if self._queue:
            self._see_to_turn()
        try:
            self._tell(turn, found)
        except Exception as error:
            if self._failure is None or self._failure.done():
                raise
            self._failure.set_exception(error)

    def _tell(self, turn: _Turn, found: Sequence[Result] | Exception) -> None:
        if isinstance(found, Exception):
            refusal = found if isinstance(found, ReaktorError) else UnavailableError()
            if refusal is not found:
                logger.error("writer: a batch of %d was not stored", len(turn.taken), exc_info=found)
            self._give_up(turn, refusal)
        elif turn.is_given_up:
            self._on_stored_late(turn, found)
        elif turn.taken:
            self.batches_total += 1
            self.commit_seconds.observe(time.monotonic() - turn.began)
            self.commit_messages.observe(len(turn.taken))
            self._acknowledge(turn, found)

    def _acknowledge(self, turn: _Turn, results: Sequence[Result]) -> None:
        committed = []
        for (post, on_result, _), result in zip(turn.taken, results, strict=True):
            if isinstance(result, Stored):
                committed.append(Committed(post, result, on_result))
                self.stored_total += not result.is_duplicate
            else:
                on_result(result)
        if committed:
            self._on_stored(committed)

    def _on_stored_late(self, turn: _Turn, results: Sequence[Result]) -> None:
        """Their authors were told `unavailable`, once: this is no second answer, and they are shown their own posts."""
        committed = [
            Committed(each.post._replace(session_id=None), result, _unasked)
            for each, result in zip(turn.taken, results, strict=True)
            if isinstance(result, Stored) and not result.is_duplicate
        ]
        if committed:
            self.stored_total += len(committed)
            self._on_stored(committed)

    # -- Giving up --------------------------------------------------------------------------------------------

    def _on_time(self) -> None:
        """Refuse what waits, or runs, for too long; look again soon while anything does."""
        self._timer = None
        latest = time.monotonic() - self._timeout_s
        overdue = self._take_out(lambda each: each.since <= latest)
        hung = [turn for turn in self._turns if turn.began <= latest and not turn.is_given_up]
        if overdue or hung:
            refusal = self._database.no_answer()
            for turn in hung:
                self._give_up(turn, refusal)
            _refuse(overdue, refusal)
        if self._turns:
            self._look_in(self._timeout_s * LOOK_AGAIN)

    def _look_in(self, seconds: float) -> None:
        # Whoever posts first is not the one whom the lines are about that may be logged then.
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time, context=Context())

    def _take_out(self, is_meant: Callable[[_Waiting], bool]) -> list[_Waiting]:
        """These will not be stored; those that a turn has taken already are not among them."""
        with self._lock:
            found = [each for each in self._queue if is_meant(each)]
            if found:
                self._queue = deque(each for each in self._queue if not is_meant(each))
            return found

    @staticmethod
    def _give_up(turn: _Turn, error: ReaktorError) -> None:
        if not turn.is_given_up:
            turn.is_given_up = True
            _refuse(turn.taken, error)


def _refuse(posts: Iterable[_Waiting], error: ReaktorError) -> None:
    for each in posts:
        each.on_result(error)


def _unasked(result: Result) -> None:
    """Nobody waits for it any more."""
