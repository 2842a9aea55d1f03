"""Turns are shared out among peers: none has them all, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

from reaktor.errors import UnavailableError
from reaktor.web.turns import Turns


class Crowd:
    """Who runs now, in the order of their beginning."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: list[str] = []
        self.begun: list[str] = []

    async def come(self, peer: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._take(peer))
        await asyncio.sleep(0)
        return task

    async def _take(self, peer: str) -> None:
        await self.turns.take(peer)
        self.running.append(peer)
        self.begun.append(peer)

    async def leave(self, peer: str) -> None:
        self.running.remove(peer)
        self.turns.give_back(peer)
        for _ in range(3):
            await asyncio.sleep(0)


async def test_one_peer_has_few_turns_and_another_one_gets_the_next_at_once() -> None:
    """80 connections of one address had all threads, and everybody else waited behind them."""
    crowd = Crowd(Turns(running=8, per_peer=2, waiting=20))
    for _ in range(10):
        await crowd.come("flood")
    await crowd.come("quiet")
    assert Counter(crowd.running) == {"flood": 2, "quiet": 1}


async def test_turns_go_round_the_peers_that_wait() -> None:
    crowd = Crowd(Turns(running=2, per_peer=2, waiting=20))
    for peer in "aaaaabbc":
        await crowd.come(peer)
    while crowd.running:
        await crowd.leave(crowd.running[0])
    assert "".join(crowd.begun) == "aaabcaba"


async def test_too_many_that_wait_are_refused_and_one_peer_before_the_others() -> None:
    crowd = Crowd(Turns(running=1, per_peer=1, waiting=4))
    for peer in "aaa":
        await crowd.come(peer)
    with pytest.raises(UnavailableError):
        await crowd.turns.take("a")
    await crowd.come("b")
    await crowd.come("c")
    with pytest.raises(UnavailableError):
        await crowd.turns.take("d")


async def test_who_goes_away_while_waiting_or_when_its_turn_comes_leaves_no_turn_taken() -> None:
    crowd = Crowd(Turns(running=1, per_peer=1, waiting=9))
    await crowd.come("a")
    waiting = [await crowd.come(peer) for peer in "bcd"]
    waiting[0].cancel()
    crowd.running.remove("a")
    crowd.turns.give_back("a")
    waiting[1].cancel()
    for task in waiting[:2]:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await asyncio.wait_for(waiting[2], 5)
    assert crowd.running == ["d"]
    await crowd.leave("d")
    await asyncio.wait_for(crowd.turns.take("e"), 5)
