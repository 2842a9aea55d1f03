"""The verdict on a fault: what must hold for the people of one channel set, once things are quiet again.

Every acknowledged message is in the history, once, where its acknowledgement said; every session saw the history from
its start on, each message once, in order; the members are those who are there; every replica equals the authority.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.chat_cluster import ChatCluster
from tests.support.person import Person
from tests.support.place import Said

SETTLE_S = 10.0


async def history(person: Person, key: str) -> list[Said]:
    """The whole channel, as the server tells it."""
    found: list[Said] = []
    last, has_more = 0, True
    while has_more:
        page = await person.request("message.list", key, after=last, limit=100)
        found += [Said(each["seq"], each["id"], each["text"]) for each in page["messages"]]
        last, has_more = max([last, *(each["number"] for each in page["messages"])]), page["has_more"]
    return found


def _differing(seen: Sequence[Said], stored: Sequence[Said]) -> str:
    """The first place where what was seen is not what is stored."""
    for index, (one, other) in enumerate(itertools.zip_longest(seen, stored)):
        if one != other:
            return f"{one} where {other} was said (the {index}th of {len(stored)}, {len(seen)} seen)"
    return "everything"


class Crowd:
    """People in the same channels; `on`: by slot. `others`: sessions in the cluster that are not of this crowd."""

    def __init__(self, cluster: ChatCluster, channels: Sequence[str]) -> None:
        self.cluster = cluster
        self.channels = list(channels)
        self.people: list[Person] = []
        self.on: dict[int, list[Person]] = {}
        self.others = 0
        self._texts = itertools.count(1)

    async def add(self, source: str, account: tuple[str, str] | None = None) -> Person:
        """One more session, of a user of its own unless told."""
        person = Person(self.cluster.url, account or self.cluster.account(), source, self.channels)
        self.people.append(person)
        return await person.start()

    async def fill(self, per_slot: int, slots: Sequence[int] = (1, 2)) -> Crowd:
        """So many sessions on each slot."""
        for slot in slots:
            await asyncio.gather(*(self.add(self.cluster.source(slot, slots)) for _ in range(per_slot)))
            self.on[slot] = self.people[-per_slot:] if per_slot else []
        return self

    @asynccontextmanager
    async def talking(self, pause_s: float = 0.05) -> AsyncIterator[None]:
        """Everybody talks in the block, each message after the acknowledgement of the one before."""
        stop = asyncio.Event()

        async def talk(person: Person, key: str) -> None:
            while not stop.is_set():
                await person.post(key, f"{person.name} {next(self._texts)}")
                await asyncio.sleep(pause_s)

        async with asyncio.TaskGroup() as talks:
            for index, person in enumerate(self.people):
                talks.create_task(talk(person, self.channels[index % len(self.channels)]))
            try:
                yield
            finally:
                stop.set()

    @property
    def acked(self) -> int:
        return sum(len(said) for person in self.people for said in person.acked.values())

    async def verdict(self, *, may_reset: bool = False) -> None:
        """Wait for quiet, then hold everybody to the laws above. Raises AssertionError."""
        async with asyncio.timeout(SETTLE_S):
            await asyncio.gather(*(person.is_here.wait() for person in self.people))
        await asyncio.to_thread(self.cluster.wait_agreed, len(self.people) + self.others, SETTLE_S)
        for key in self.channels:
            await self._hold(key)
        breaches = [breach for person in self.people for breach in person.breaches]
        assert not breaches, breaches
        if not may_reset:
            assert sum(place.resets for person in self.people for place in person.places.values()) == 0

    async def _hold(self, key: str) -> None:
        stored = await history(self.people[0], key)
        by_seq = {said.seq: said for said in stored}
        assert [said.seq for said in stored] == list(range(1, len(stored) + 1)), f"{key}: the history has holes"
        assert len({said.id for said in stored}) == len({said.text for said in stored}) == len(stored), f"{key}: twice"
        names = {person.name for person in self.people if key in person.places}
        for person in self.people:
            for said in person.acked.get(key, []):
                assert by_seq.get(said.seq) == said, f"{person.name} in {key}: {said} was acknowledged and is lost"
            place = person.places[key]
            await person.until(lambda place=place: place.cursor >= len(stored), SETTLE_S)
            assert place.seen == stored[place.start :], (
                f"{person.name} in {key} saw {_differing(place.seen, stored[place.start :])}; {person.breaches}"
            )
            await person.until(lambda place=place: place.members == names, SETTLE_S)
            assert place.members == names, f"{person.name} in {key} was told of others: {place.members ^ names}"
            told = await person.request("channel.join", key, after=place.cursor)
            assert {member["username"] for member in told["members"]} == names, f"{person.name} sees a ghost in {key}"

    async def leave(self) -> None:
        """All of them go; their accounts are free again."""
        await asyncio.gather(*(person.leave() for person in self.people))
        self.cluster.pool += {(person.name, person.token) for person in self.people}


async def new_channels(cluster: ChatCluster, count: int) -> list[str]:
    """The keys of so many channels that no other test uses."""
    maker = await Person(cluster.url, cluster.account(), cluster.source(1), []).start()
    name = secrets.token_hex(4)
    made = [
        await maker.request("channel.create", name=f"test {name} {number}", kind="unlisted") for number in range(count)
    ]
    await maker.leave()
    cluster.pool.append((maker.name, maker.token))
    return [each["key"] for each in made]


@asynccontextmanager
async def crowd(
    cluster: ChatCluster, per_slot: int, channels: int = 1, slots: Sequence[int] = (1, 2)
) -> AsyncIterator[Crowd]:
    """So many people on each slot in so many new channels; they leave at the end, and are gone then."""
    found = Crowd(cluster, await new_channels(cluster, channels))
    try:
        yield await found.fill(per_slot, slots)
    finally:
        await found.leave()
