"""The key of a cluster's supervisor, on a real Redis: one has it, whatever the others, the clock and Redis do."""

import asyncio
import contextlib

import pytest
import redis as blocking

from reaktor.cluster.authority_key import AuthorityKey
from reaktor.cluster.failures import RedisUnavailableError, SupervisorError
from tests.support.redis import running_redis
from tests.support.waiting import until

NAME = "reaktor:0123456789abcdef:authority"
LIFETIME_S = 0.6


@pytest.fixture
def redis():
    with running_redis() as server:
        yield server


def key_on(redis, **options):
    return AuthorityKey(redis.at, NAME, lifetime_s=LIFETIME_S, renew_s=0.1, **options)


@contextlib.asynccontextmanager
async def kept(key):
    await key.take()
    keeping = asyncio.create_task(key.keep())
    try:
        yield keeping
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError, SupervisorError):
            await keeping
        await key.give_back()


async def test_of_many_that_ask_at_once_one_is_let_in_and_the_others_are_told_who(redis):
    keys = [key_on(redis) for _ in range(5)]

    async def ask(key):
        await key.take()
        return asyncio.create_task(key.keep())

    found = await asyncio.gather(*map(ask, keys), return_exceptions=True)
    (keeping,) = [each for each in found if isinstance(each, asyncio.Task)]
    refused = [each for each in found if isinstance(each, SupervisorError)]
    assert len(refused) == 4
    assert {str(each).startswith("This cluster has a supervisor already: process ") for each in refused} == {True}
    keeping.cancel()
    for key in keys:
        await key.give_back()


async def test_one_that_was_given_back_is_free_at_once(redis):
    async with kept(key_on(redis)):
        pass
    async with asyncio.timeout(LIFETIME_S / 2):
        async with kept(key_on(redis)):
            pass


async def test_one_that_was_freed_is_had_by_whoever_comes_and_else_by_its_keeper_again(redis):
    key, next_one = key_on(redis), key_on(redis)
    async with kept(key):
        await key.free()
        with blocking.Redis.from_url(redis.url) as client:
            await until(lambda: client.exists(NAME), 10)
        await key.free()
        await next_one.take()
        await next_one.give_back()


async def test_one_whose_holder_died_is_waited_for(redis):
    """A supervisor that was killed and is started again must not be refused because of itself."""
    dead, next_one = key_on(redis), key_on(redis)
    await dead.take()
    started = asyncio.get_running_loop().time()
    async with kept(next_one):
        assert LIFETIME_S / 2 < asyncio.get_running_loop().time() - started < 3 * LIFETIME_S
    await dead.give_back()


async def test_a_holder_that_finds_another_one_in_its_place_ends_and_takes_nothing_from_it(redis):
    """It had been stopped for longer than the key lives."""
    with blocking.Redis.from_url(redis.url) as client:
        async with kept(key_on(redis)) as keeping:
            client.set(NAME, "process 7 on elsewhere (x)", px=60_000)
            with pytest.raises(SupervisorError, match=r"already: process 7 on elsewhere\. One at a time"):
                async with asyncio.timeout(5):
                    await keeping
        assert client.get(NAME) == b"process 7 on elsewhere (x)"


async def test_who_may_not_have_it_takes_nothing(redis):
    """A lease ran out while its holder waited for Redis. It took the key all the same, and the next holder ended."""
    may_have = [False]
    late, next_one = key_on(redis, may_have=lambda: may_have[0]), key_on(redis)
    taking = asyncio.create_task(late.take())
    async with kept(next_one):
        await asyncio.sleep(2 * LIFETIME_S)
        assert not taking.done()
    may_have[0] = True
    async with asyncio.timeout(5):
        await taking
    await late.give_back()


async def test_one_that_was_sent_for_late_is_borne_with(redis):
    """The holder before was stopped between looking at its lease and sending."""
    with blocking.Redis.from_url(redis.url) as client:
        async with kept(key_on(redis, patience_s=5.0)) as keeping:
            client.set(NAME, "process 7 on elsewhere (x)", px=round(LIFETIME_S * 1000))
            await until(lambda: client.get(NAME) not in (None, b"process 7 on elsewhere (x)"), 10)
            assert not keeping.done()


async def test_who_keeps_it_for_longer_is_somebody_else_and_is_told_of(redis):
    with blocking.Redis.from_url(redis.url) as client:
        client.set(NAME, "process 7 on elsewhere (x)", px=60_000)
        with pytest.raises(SupervisorError, match="already: process 7"):
            async with asyncio.timeout(10):
                await key_on(redis, patience_s=1.0).take()
        client.delete(NAME)
        async with kept(key_on(redis, patience_s=1.0)) as keeping:
            client.set(NAME, "process 7 on elsewhere (x)", px=60_000)
            with pytest.raises(SupervisorError, match="already: process 7"):
                async with asyncio.timeout(10):
                    await keeping


async def test_a_redis_that_comes_back_empty_is_told_again(redis):
    async with kept(key_on(redis)) as keeping:
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.start)
        with blocking.Redis.from_url(redis.url) as client:
            await until(lambda: client.exists(NAME), 10)
        assert not keeping.done()


async def test_a_redis_that_does_not_answer_is_said(redis):
    redis.kill()
    with pytest.raises(RedisUnavailableError, match="Redis does not answer"):
        await key_on(redis).take()
