"""`make chaos`: worker after worker is killed (kill -9) under load, and everybody is held to the laws. Prints a table.

    python -m tests.cluster.chaos [--kills 50] [--workers 3] [--spares 1] [--people 6] [--limit 900]

Each kill waits until the cluster is whole again: the slot's worker settled, the spares booted. Ends with code 1 when a
law is broken, when somebody was told or served again too late, or when the time limit is over.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import django

from reaktor.cluster.slots import SETTLED_S

# The frames' schemas, which everybody is held to, are made from the models' shapes.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reaktor.settings.test")
django.setup()

# ruff: noqa: E402
from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.server import LiveServer
from tests.support.verdict import Crowd, crowd

TOLD_S = 1.0
SERVED_S = 3.0
KILLS_PER_ROUND = 10
CHANNELS = 2
BACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """What one kill cost, in seconds from the signal: the others told, the first and the last of its people back."""

    slot: int
    told_s: float
    first_back_s: float
    all_back_s: float


async def whole_again(chat: ChatCluster, slot: int, spares: int) -> None:
    """Wait until the slot's worker has lived so long that its successor starts at once, and until the spares are there.

    A worker that dies sooner is taken for one that can't live, and each successor waits longer: not what is measured.
    """
    while True:
        status = await asyncio.to_thread(chat.status)
        settled = [each for each in status["workers"] if each["slot"] == slot and each["age_s"] > SETTLED_S]
        booted = [each for each in status["spares"] if each["state"] == "spare"]
        if settled and len(booted) == spares:
            return
        await asyncio.sleep(0.2)


async def kill(people: Crowd, slot: int) -> Kill:
    """Kill one worker and see its people home."""
    victims = people.on[slot]
    witness = next(each for other, found in people.on.items() if other != slot for each in found)
    before = [(victim, victim.connects) for victim in victims]
    at = await asyncio.to_thread(people.cluster.kill, slot)
    told = [await witness.told_of(victim.name, people.channels[0], "member.left", at) for victim in victims]
    for victim, connects in before:
        if not await victim.until(lambda v=victim, n=connects: v.connects > n and v.is_here.is_set(), BACK_S):
            raise AssertionError(f"{victim.name} did not come back within {BACK_S:g} s: {victim.refusals[-5:]}")
    back = [victim.gaps[-1][1] - at for victim in victims]
    return Kill(slot, max(told) - at, min(back), max(back))


async def play(chat: ChatCluster, options: argparse.Namespace) -> tuple[list[Kill], int]:
    """All the kills, in rounds with a verdict each; what they cost, and how many messages were acknowledged."""
    kills, workers = options.kills, options.workers
    slots = list(range(1, workers + 1))
    done: list[Kill] = []
    acked = 0
    print(f"{'kill':>4} {'slot':>4} {'told':>7} {'first back':>11} {'all back':>9}")
    while len(done) < kills:
        async with crowd(chat, options.people, CHANNELS, slots) as people:
            async with people.talking():
                for _ in range(min(KILLS_PER_ROUND, kills - len(done))):
                    slot = slots[len(done) % workers]
                    await whole_again(chat, slot, options.spares)
                    done.append(found := await kill(people, slot))
                    print(
                        f"{len(done):>4} {slot:>4} {found.told_s:>6.3f}s {found.first_back_s:>10.2f}s"
                        f" {found.all_back_s:>8.2f}s",
                        flush=True,
                    )
            await people.verdict(may_reset=True)
            acked += people.acked
            print(f"     verdict: {people.acked} messages acknowledged, all delivered once and in order; no ghost;")
            print("     nobody locked out; every replica equals the authority.")
    return done, acked


def report(done: list[Kill], acked: int, took_s: float) -> None:
    """The summary."""
    print(f"\n{len(done)} kills in {took_s:.0f} s, {acked} messages acknowledged, none lost, none twice\n")
    print(f"{'seconds from the kill until':<34} {'median':>7} {'worst':>7} {'bound':>7}")
    rows = (
        ("the others are told", [each.told_s for each in done], TOLD_S),
        ("its first client is served again", [each.first_back_s for each in done], SERVED_S),
        ("its last client is served again", [each.all_back_s for each in done], SERVED_S),
    )
    for name, values, bound in rows:
        print(f"{name:<34} {statistics.median(values):>7.2f} {max(values):>7.2f} {bound:>7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--spares", type=int, default=1, help="booted processes that wait for a slot")
    parser.add_argument("--people", type=int, default=6, help="sessions on each worker")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for all of it")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        prepared = LiveServer(Path(folder) / "prepared")
        prepared.data_dir.mkdir()
        prepared.prepare(accounts=100)
        size = {"WORKERS": str(options.workers), "SPARE_WORKERS": str(options.spares)}
        with chat_cluster(prepared, Path(folder) / "chaos", **size) as chat:
            playing = play(chat, options)
            try:
                done, acked = asyncio.run(asyncio.wait_for(playing, options.limit))
            except BaseException:
                print(f"\nthe cluster's log ends so:\n{chat.said()[-3000:]}", file=sys.stderr)
                raise
    report(done, acked, time.monotonic() - started)
    if max(each.told_s for each in done) >= TOLD_S:
        sys.exit(f"Somebody was told later than {TOLD_S:g} s after a kill.")
    if options.spares and (late := sum(each.all_back_s >= SERVED_S for each in done)):
        sys.exit(f"After {late} of {len(done)} kills somebody waited longer than {SERVED_S:g} s for a worker.")


if __name__ == "__main__":
    main()
