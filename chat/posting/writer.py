"""Group commit: posts of all sessions of this process gather while the previous transaction runs.

submit() queues a post and returns; after the commit the whole batch is handed to `on_stored`, which acknowledges
and delivers in seq order. Posts that are too many in all processes together are refused. When the database is away
every post of the batch is refused with `unavailable`, and nothing is acknowledged. A full queue refuses at once.
What was refused so and is stored all the same, a moment later, is delivered to everybody, its author included.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chat.posting.batches import Post, Result, Stored, store_batch
from chat.posting.textrules import CurrentTextRules
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from reaktor.errors import ReaktorError, UnavailableError
from reaktor.limits.rates import Rates
from reaktor.observe.metrics import MESSAGES, SECONDS, Histogram

logger = logging.getLogger(__name__)

OnResult = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Committed:
    """One stored post (now or before), and whom to tell when its place in the channel's order has come."""

    post: Post
    stored: Stored
    on_result: OnResult


class Writer:
    """The one path by which messages are stored in this process. run() is owned by the runtime."""

    def __init__(
        self,
        database: Database,
        config: DatabaseConfig,
        rates: Rates,
        text_rules: CurrentTextRules,
        on_stored: Callable[[Sequence[Committed]], None],
    ) -> None:
        self._database = database
        self._text_rules = text_rules
        self._batch_messages = config.batch_messages
        self._bound = config.write_queue
        self._rates = rates
        self._on_stored = on_stored
        self._queue: deque[tuple[Post, OnResult]] = deque()
        self._wake = asyncio.Event()
        self.stored_total = 0
        self.batches_total = 0
        self.commit_seconds = Histogram(SECONDS)
        self.commit_messages = Histogram(MESSAGES)

    def __len__(self) -> int:
        """Posts that wait for the next transaction."""
        return len(self._queue)

    def submit(self, post: Post, on_result: OnResult) -> None:
        """Queue a post. `on_result` is called once, in the loop, with Stored or an error. Raises UnavailableError."""
        if len(self._queue) >= self._bound:
            raise UnavailableError("Too many messages are waiting to be stored.")
        self._queue.append((post, on_result))
        self._wake.set()

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
            self._queue = deque(each for each in self._queue if each[1] is not done)
            raise
        if isinstance(result, ReaktorError):
            raise result
        return result

    async def run(self) -> None:
        """Store batch after batch until cancelled; what is queued then is refused."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    count = min(len(self._queue), self._batch_messages)
                    await self._store([self._queue.popleft() for _ in range(count)])
        finally:
            while self._queue:
                self._queue.popleft()[1](UnavailableError("The server is stopping."))

    async def _store(self, batch: list[tuple[Post, OnResult]]) -> None:
        started = time.perf_counter()
        try:
            posts = [post for post, _ in batch]
            results = await self._database.write_or_late(partial(self._stored_late, posts), self._store_allowed, posts)
        except asyncio.CancelledError:
            for _, on_result in batch:
                on_result(UnavailableError("The server is stopping."))
            raise
        except Exception as error:
            refusal = error if isinstance(error, ReaktorError) else UnavailableError()
            if refusal is not error:
                logger.exception("writer: a batch of %d was not stored", len(batch))
            for _, on_result in batch:
                on_result(refusal)
            return
        self.batches_total += 1
        self.commit_seconds.observe(time.perf_counter() - started)
        self.commit_messages.observe(len(batch))
        committed = []
        for (post, on_result), result in zip(batch, results, strict=True):
            if isinstance(result, Stored):
                committed.append(Committed(post, result, on_result))
                self.stored_total += not result.is_duplicate
            else:
                on_result(result)
        if committed:
            self._on_stored(committed)

    def _stored_late(self, posts: Sequence[Post], results: Sequence[Result]) -> None:
        """Their authors were told `unavailable`, once: this is no second answer, and they are shown their own posts."""
        committed = [
            Committed(replace(post, session_id=None), result, _unasked)
            for post, result in zip(posts, results, strict=True)
            if isinstance(result, Stored) and not result.is_duplicate
        ]
        if committed:
            self.stored_total += len(committed)
            self._on_stored(committed)

    def _store_allowed(self, posts: Sequence[Post]) -> list[Result]:
        """store_batch() without the posts that are too much; those are answered with their refusal. In a thread."""
        text_rules = self._text_rules.current()
        if not self._rates.asks_for_sends:
            return store_batch(posts, text_rules)
        refusals = self._rates.sends_elsewhere([post.author.id for post in posts])
        allowed = [post for post, refusal in zip(posts, refusals, strict=True) if refusal is None]
        stored = iter(store_batch(allowed, text_rules) if allowed else ())
        return [next(stored) if refusal is None else refusal for refusal in refusals]


def _unasked(result: Result) -> None:
    """Nobody waits for it any more."""
