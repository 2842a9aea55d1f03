"""Group commit in one process, on a real database: batches, order, bounds, and a database that goes away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from django.db import connections

from chat import services
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.domain.policies import TextRules
from chat.models import Message
from chat.posting.batches import Post, Stored
from chat.posting.textrules import CurrentTextRules
from chat.posting.writer import Committed, Writer
from reaktor.config.model import Database as DatabaseConfig
from reaktor.config.model import Limits
from reaktor.db.database import Database
from reaktor.errors import NotFoundError, UnavailableError
from reaktor.limits.rates import Rates
from tests.support.databases import is_sqlite, taken_away, user_ref
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


class Told:
    """What the writer handed over after its commits; acknowledges at once, as a runtime without a hole does."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.origins: list[SessionId | None] = []

    def __call__(self, committed: Sequence[Committed]) -> None:
        self.origins += [each.post.session_id for each in committed]
        self.batches.append([each.stored.message["number"] for each in committed])
        for each in committed:
            each.on_result(each.stored)


@asynccontextmanager
async def writing(
    told: Told,
    text_rules: CurrentTextRules | None = None,
    present: Callable[[], frozenset[UserId]] = frozenset,
    **figures: float,
) -> AsyncIterator[Writer]:
    config = DatabaseConfig(**figures)  # type: ignore[arg-type]
    database = Database(config)
    limits = Limits()
    writer = Writer(database, config, Rates(limits), text_rules or CurrentTextRules(limits), told, present)
    task = asyncio.create_task(writer.run())
    await asyncio.sleep(0)  # a task that is cancelled before its first step never runs at all
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(database.close)


def posts(ann: UserRef, tea: ChannelKey, count: int) -> list[Post]:
    return [Post(ann, tea, f"text {number}", f"n{number}") for number in range(count)]


async def test_posts_gather_while_the_previous_transaction_runs(ann: UserRef, tea: ChannelKey) -> None:
    told = Told()
    async with writing(told) as writer:
        answers = await asyncio.gather(*(writer.post(post) for post in posts(ann, tea, 100)))
    assert [answer.message["text"] for answer in answers] == [f"text {number}" for number in range(100)]
    assert [number for batch in told.batches for number in batch] == list(range(1, 101))
    assert len(told.batches) == writer.batches_total == 1
    assert writer.stored_total == 100


@pytest.fixture
def bob(tea: ChannelKey) -> UserRef:
    """Follows the channel."""
    found = user_ref("bob")
    services.membership_join(user=found, key=tea)
    return found


async def test_who_is_present_is_asked_for_posts_that_call_them_and_no_others(
    ann: UserRef, bob: UserRef, tea: ChannelKey
) -> None:
    asked: list[int] = []

    def present() -> frozenset[UserId]:
        asked.append(1)
        return frozenset([bob.id])

    async with writing(Told(), present=present) as writer:
        for text in ("hi", "@channel", "me@here.org", "@here"):
            stored = await writer.post(Post(ann, tea, text, text))
        assert len(asked) == 1
        assert stored.called is not None
        assert stored.called.only == {bob.id}


async def test_no_batch_is_larger_than_allowed(ann: UserRef, tea: ChannelKey) -> None:
    told = Told()
    async with writing(told, batch_messages=30) as writer:
        await asyncio.gather(*(writer.post(post) for post in posts(ann, tea, 100)))
    assert [len(batch) for batch in told.batches] == [30, 30, 30, 10]


async def test_a_full_queue_refuses_at_once_and_takes_more_when_there_is_room(ann: UserRef, tea: ChannelKey) -> None:
    async with writing(Told(), write_queue=3) as writer:
        results: list[object] = []
        first, second, third, fourth = posts(ann, tea, 4)
        for post in (first, second, third):
            writer.submit(post, results.append)
        with pytest.raises(UnavailableError):
            writer.submit(fourth, results.append)
        await until(lambda: len(results) == 3)
        await writer.post(fourth)
    assert all(isinstance(result, Stored) for result in results)


async def test_errors_and_repeats_are_answered_to_those_they_concern(ann: UserRef, tea: ChannelKey) -> None:
    told = Told()
    async with writing(told) as writer:
        good, again = posts(ann, tea, 1) * 2
        bad = Post(ann, ChannelKey("nowhere"), "hi", "n")
        answers = await asyncio.gather(*(writer.post(post) for post in (good, bad, again)), return_exceptions=True)
    first, error, second = answers
    assert isinstance(first, Stored)
    assert isinstance(error, NotFoundError)
    assert second == Stored(first.message, is_duplicate=True)
    assert writer.stored_total == 1


async def test_whoever_waits_when_the_server_stops_is_told_unavailable(ann: UserRef, tea: ChannelKey) -> None:
    results: list[object] = []
    async with writing(Told()) as writer:
        for post in posts(ann, tea, 5):
            writer.submit(post, results.append)
    assert [type(result) for result in results] == [UnavailableError] * 5


async def test_whoever_is_in_the_running_transaction_when_the_server_stops_is_told_so_too(
    ann: UserRef, tea: ChannelKey
) -> None:
    class Stuck(CurrentTextRules):
        def current(self) -> TextRules:
            is_running.set()
            may_go.wait(10)
            return super().current()

    def on_result(result: object) -> None:
        results.append(result)
        may_go.set()

    is_running, may_go = threading.Event(), threading.Event()
    results: list[object] = []
    async with writing(Told(), Stuck(Limits())) as writer:
        for post in posts(ann, tea, 2):
            writer.submit(post, on_result)
        await asyncio.to_thread(is_running.wait, 10)
        asyncio.get_running_loop().call_later(
            0.05, may_go.set
        )  # behind the cancellation, before the threads are joined
    assert [type(result) for result in results] == [UnavailableError] * 2


async def test_a_batch_that_fails_in_a_way_nobody_thought_of_is_refused_and_the_next_one_is_stored(
    ann: UserRef, tea: ChannelKey, caplog: pytest.LogCaptureFixture
) -> None:
    class FailsOnce(CurrentTextRules):
        has_failed = False

        def current(self) -> TextRules:
            if not self.has_failed:
                self.has_failed = True
                raise ZeroDivisionError
            return super().current()

    first, second = posts(ann, tea, 2)
    async with writing(Told(), FailsOnce(Limits())) as writer:
        with pytest.raises(UnavailableError):
            await writer.post(first)
        assert (await writer.post(second)).message["number"] == 1
    assert "a batch of 1 was not stored" in caplog.text


@pytest.fixture
def _connects_anew(transactional_db: None) -> Iterator[None]:
    """The connection of the test itself may have been cut too."""
    yield
    connections.close_all()


@pytest.mark.usefixtures("_connects_anew")
async def test_while_the_database_is_away_posts_are_refused_and_nothing_is_shown_and_then_it_recovers(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_sqlite():
        monkeypatch.setitem(connections.databases["default"]["OPTIONS"], "timeout", 0.1)
    told = Told()
    first, second, third = posts(ann, tea, 3)
    async with writing(told) as writer:
        await writer.post(first)
        away = taken_away()
        await asyncio.to_thread(away.__enter__)
        try:
            for _ in range(2):
                with pytest.raises(UnavailableError) as caught:
                    await writer.post(second)
                assert caught.value.retry_after_s
            assert told.batches == [[1]]
        finally:
            await asyncio.to_thread(away.__exit__, None, None, None)
        await writer.post(second)
        await writer.post(third)
    assert told.batches == [[1], [2], [3]]
    assert await asyncio.to_thread(_stored_numbers) == [1, 2, 3]


class Hung:
    """The database hangs for whoever asks for text rules, until let_go() is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gate = threading.Event()
        self.is_reached = False
        current = CurrentTextRules.current

        def hang(rules: CurrentTextRules) -> TextRules:
            self.is_reached = True
            self._gate.wait(10)
            return current(rules)

        monkeypatch.setattr(CurrentTextRules, "current", hang)

    def let_go(self) -> None:
        self._gate.set()


async def test_a_post_that_is_stored_after_its_refusal_is_delivered_and_one_that_waited_is_not_stored(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database hung posts were refused, and all of them appeared minutes later, beside their repeats."""
    hung, told, refused = Hung(monkeypatch), Told(), list[object]()
    running, waiting, later = (post._replace(session_id=SessionId("ann's")) for post in posts(ann, tea, 3))
    async with writing(told, timeout_s=0.2) as writer:
        writer.submit(running, refused.append)
        await until(lambda: hung.is_reached)
        writer.submit(waiting, refused.append)
        await until(lambda: len(refused) == 2)
        assert [type(answer) for answer in refused] == [UnavailableError] * 2
        hung.let_go()
        await until(lambda: told.batches)
        assert (await writer.post(later)).message["number"] == 2
        assert (told.batches, writer.stored_total) == ([[1], [2]], 2)
        assert told.origins == [None, "ann's"], "its author is shown what was refused"
    assert len(refused) == 2
    assert await asyncio.to_thread(_stored_texts) == ["text 0", "text 2"]


async def test_the_thread_takes_what_has_gathered_without_coming_back_to_the_loop(
    ann: UserRef, tea: ChannelKey
) -> None:
    class Watched(CurrentTextRules):
        asked = 0

        def current(self) -> TextRules:
            self.asked += 1
            (first_began, second_began)[self.asked - 1].set()
            may_go.wait(10)
            return super().current()

    first_began, second_began, may_go = threading.Event(), threading.Event(), threading.Event()
    told, results = Told(), list[object]()
    first, second, third = posts(ann, tea, 3)
    async with writing(told, Watched(Limits())) as writer:
        writer.submit(first, results.append)
        await asyncio.to_thread(first_began.wait, 10)
        for post in (second, third):
            writer.submit(post, results.append)
        await asyncio.sleep(0)
        may_go.set()
        has_begun = second_began.wait(10)  # the loop stands still meanwhile
        assert (has_begun, results) == (True, [])
        await until(lambda: len(results) == 3)
    assert told.batches == [[1], [2, 3]]


async def test_who_is_told_and_fails_ends_the_writer_so_that_nobody_is_left_out_in_silence(
    ann: UserRef, tea: ChannelKey
) -> None:
    def fail(committed: Sequence[Committed]) -> None:
        raise ZeroDivisionError

    config, limits = DatabaseConfig(), Limits()
    database = Database(config)
    writer = Writer(database, config, Rates(limits), CurrentTextRules(limits), fail)
    running = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    (post,) = posts(ann, tea, 1)
    writer.submit(post, lambda result: None)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(running, 10)
    with pytest.raises(UnavailableError, match="stopping"):
        writer.submit(post, lambda result: None)
    await asyncio.to_thread(database.close)


async def test_a_post_whose_caller_gave_up_while_it_waited_is_not_stored(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A REST request was answered 503 after 15 s, and its post was stored when its turn had come."""
    hung, told = Hung(monkeypatch), Told()
    first, second, third = posts(ann, tea, 3)
    async with writing(told) as writer:
        running = asyncio.create_task(writer.post(first))
        await until(lambda: hung.is_reached)
        waiting = asyncio.create_task(writer.post(second))
        await until(lambda: len(writer) == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hung.let_go()
        await running
        await writer.post(third)
    assert await asyncio.to_thread(_stored_texts) == ["text 0", "text 2"]


def _stored_texts() -> list[str]:
    try:
        return list(Message.objects.order_by("number").values_list("text", flat=True))
    finally:
        connections.close_all()


def _stored_numbers() -> list[int]:
    try:
        return list(Message.objects.order_by("number").values_list("number", flat=True))
    finally:
        connections.close_all()
