"""How memory grows while people come and go: `python -m benchmarks.soak [--minutes 22] [--people 300]`.

A real cluster, and people on every kind of client (native; Socket.IO 1.x and 4.x, half of them by polling first), each
with a short life: connect, join, say something, and leave, or vanish. Prints the memory of each process over time, and
per process the slope in MB per 10 minutes after the first `--settle` minutes. `--objects` adds what has become more in
each process over the time that counts: mappings, the heap's figures, Python's objects by type (benchmarks/soak_inside).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.passers_by import KINDS, PassersBy
from tests.support.server import LiveServer

INSIDE = Path(__file__).resolve().parent / "soak_inside"
MB = 1e6
SAMPLE_S = 5.0


async def person(people: PassersBy, kind: str, token: str, source: str) -> None:
    """Life after life of one account, until cancelled."""
    while True:
        try:
            await people.life(kind, token, source)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            people.done[f"{type(error).__name__}: {error}"[:60]] += 1
            await asyncio.sleep(1)


@dataclass(frozen=True)
class Sample:
    """The memory of one process at a time: in all, its own (anonymous), and mapped from files. Bytes."""

    at: float
    rss: int
    anonymous: int
    file: int


def sample(pid: int, at: float) -> Sample:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    rss, anonymous, file = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon", "RssFile"))
    return Sample(at, rss, anonymous, file)


def mappings(pid: int) -> dict[str, int]:
    """Resident bytes by what is mapped: a file, `[heap]` (malloc's first arena), `anonymous` (the other arenas …)."""
    found: Counter[str] = Counter()
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        first, *rest = line.split(maxsplit=5)
        if not first.endswith(":"):
            name = Path(rest[4]).name if len(rest) == 5 else "anonymous"
        elif first == "Rss:":
            found[name] += int(rest[0]) * 1024
    return dict(found)


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares: MB per 10 minutes of (seconds, bytes)."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread * 600 / MB


def processes(chat: ChatCluster) -> dict[str, int]:
    """The cluster's processes by name."""
    found = {"supervisor": chat.process.pid}
    found |= {f"worker {slot}": worker["pid"] for slot, worker in chat.workers().items()}
    (redis,) = (each for each in psutil.Process(chat.process.pid).children() if "redis" in each.name())
    return found | {"redis": redis.pid}


async def watch(
    chat: ChatCluster, people: PassersBy, seconds: float, settle_s: float, every_s: float, inside: Path | None
) -> dict[str, list[Sample]]:
    """Samples of every process for so long; a line now and then."""
    pids = await asyncio.to_thread(processes, chat)
    found: dict[str, list[Sample]] = {name: [] for name in pids}
    started = time.monotonic()
    next_line = 0.0
    mapped: dict[str, dict[str, int]] = {}
    print(f"{'s':>6} " + " ".join(f"{name + ' (own/file)':>24}" for name in pids) + "    lives")
    while (at := time.monotonic() - started) <= seconds:
        for name, pid in pids.items():
            found[name].append(sample(pid, at))
        if at >= next_line:
            next_line = at + every_s
            now = [found[name][-1] for name in pids]
            figures = " ".join(f"{each.anonymous / MB:>15.1f} /{each.file / MB:>7.1f}" for each in now)
            print(f"{at:>6.0f} {figures} {sum(people.done.values()):>8}", flush=True)
        if inside is not None and not mapped and at >= settle_s:
            mapped = {name: mappings(pid) for name, pid in pids.items()}
            (inside / "ask").write_text("begin")
        await asyncio.sleep(SAMPLE_S)
    if inside is not None:
        for name, pid in pids.items():
            grown = Counter(mappings(pid))
            grown.subtract(mapped[name])
            told = ", ".join(f"{what} {size / MB:+.1f}" for what, size in grown.most_common(6) if size > MB / 20)
            print(f"mappings of {name}: {told}")
        (inside / "ask").write_text("end")
        await asyncio.sleep(10)
    return found


async def play(chat: ChatCluster, options: argparse.Namespace, inside: Path | None) -> dict[str, list[Sample]]:
    """People for as long as is watched."""
    slots = list(range(1, options.workers + 1))
    channels = [f"soak{number}" for number in range(options.channels)]
    people = PassersBy(chat.port, channels, options.life)
    _, token = chat.account()
    for key in channels:
        answer = await asyncio.to_thread(
            chat.request, "POST", "/api/v1/channels", token, "127.0.0.1", json={"name": key, "key": key}
        )
        answer.raise_for_status()
    kinds = options.kinds.split(",")
    tasks = [
        asyncio.create_task(
            person(
                people,
                kinds[each // len(slots) % len(kinds)],
                chat.account()[1],
                chat.source(slots[each % len(slots)], slots),
            )
        )
        for each in range(options.people)
    ]
    settle_s = options.settle * 60
    try:
        return await watch(chat, people, options.minutes * 60, settle_s, options.every, inside)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print("\nlives: " + ", ".join(f"{count} {what}" for what, count in people.done.most_common()))


def report(found: dict[str, list[Sample]], settle_s: float, cpu_s: dict[str, float]) -> None:
    """Slopes of the time that counts."""
    print(f"\n{'MB per 10 minutes after the first ' + format(settle_s / 60, 'g'):<40}{'all':>8}{'own':>8}{'file':>8}")
    for name, samples in found.items():
        late = [each for each in samples if each.at >= settle_s]
        slopes = [slope([(each.at, getattr(each, part)) for each in late]) for part in ("rss", "anonymous", "file")]
        print(f"{name:<40}" + "".join(f"{each:>8.1f}" for each in slopes) + f"    cpu {cpu_s.get(name, 0):.0f} s")


def compare_inside(inside: Path) -> None:
    """What each process held at the two askings, by type: what has become more."""
    for begin in sorted(inside.glob("*.begin.json")):
        end = inside / begin.name.replace("begin", "end")
        if not end.exists():
            continue
        before, after = json.loads(begin.read_text()), json.loads(end.read_text())
        print(f"\n{before['name']}: {json.dumps(before['heap'])}\n {'→':>10} {json.dumps(after['heap'])}")
        more = Counter(after["types"])
        more.subtract(before["types"])
        for name, count in more.most_common(25):
            if count > 0:
                print(f"  {count:>+8} {name} ({after['types'][name]})")
        for line in after["largest"]:
            print(f"  {line}")
        for line in after["lines"]:
            print(f"  {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=22.0)
    parser.add_argument("--settle", type=float, default=10.0, help="minutes that do not count")
    parser.add_argument("--people", type=int, default=300, help="sessions at a time")
    parser.add_argument("--life", type=float, default=15.0, help="seconds that a session lives, about")
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two lines")
    parser.add_argument("--objects", action="store_true", help="what Python holds, by type")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="for the server's environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reaktor-soak-") as folder:
        inside = Path(folder) / "inside" if options.objects else None
        given = dict(each.split("=", 1) for each in options.set)
        if inside is not None:
            inside.mkdir()
            given |= {"PYTHONPATH": str(INSIDE), "SOAK_INSIDE": str(inside)}
        prepared = LiveServer(Path(folder) / "prepared")
        prepared.data_dir.mkdir()
        prepared.prepare(accounts=options.people + 10)
        size = {
            "WORKERS": str(options.workers),
            "MAX_SESSIONS_PER_USER": "10",
            "LIMIT_JOIN": "100000/1s",
            "SPARE_WORKERS": "0",
        }
        with chat_cluster(prepared, Path(folder) / "soak", **size, **given) as chat:
            pids = processes(chat)
            try:
                found = asyncio.run(play(chat, options, inside))
            except BaseException:
                print(chat.said()[-3000:])
                raise
            cpu_s = {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items()}
            data = sum(file.stat().st_size for file in chat.directory.glob("reaktor.sqlite3*"))
            print(f"database: {data / MB:.1f} MB")
        report(found, options.settle * 60, cpu_s)
        if inside is not None:
            compare_inside(inside)


if __name__ == "__main__":
    main()
