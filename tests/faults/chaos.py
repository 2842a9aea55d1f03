"""`make chaos-hosts`: fault after fault on three hosts, and everybody is held to the laws. Prints a report.

    sudo make chaos-hosts [SEED=1] [FAULTS=60] [MINUTES=30]

The seed gives the schedule, so a run can be repeated. Ends with code 1 when a law is broken; the logs of the hosts are
kept then. `--plan` prints the schedule and does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import django

# The frames' schemas, which everybody is held to, are made from the models' shapes.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reaktor.settings.test")
django.setup()

# ruff: noqa: E402
from tests.faults import clocks
from tests.faults.driver import play
from tests.faults.history import History
from tests.faults.laws import LAWS, check
from tests.faults.network import RefusedError
from tests.faults.schedule import Fault, Kind, schedule, timed
from tests.faults.stage import stage
from tests.support.chat_cluster import QUICK

SENTINELS = 3
ACCOUNTS = 100
SHOWN = 20
"""Of the breaches of one law."""


def environment(records: Path) -> dict[str, str]:
    """Of each host. `records`: where its processes write what their replicas do."""
    records.mkdir()
    return {
        **QUICK,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "FAULTS_RECORDS": str(records),
        "LIMIT_JOIN": "1000000/1s",
        # A place is kept for as long as it is for people: a client may need several attempts to come back.
        "SOCKETIO_KEEP_GRACE": "60s",
        "SOCKETIO_RECOVERY": "120s",
        # A machine that is busy with three hosts may keep a worker waiting.
        "HANG_TIMEOUT": "20s",
        # Whoever has two devices and comes back twice counts four times until it is known that the others are gone.
        "MAX_SESSIONS_PER_USER": "20",
        "WORKERS": "1",
    }


def impossible() -> set[Kind]:
    """What can't be done here."""
    return set() if clocks.COMPILER else {Kind.CLOCK_STEPPED}


def run(faults: Sequence[Fault], folder: Path, people: int) -> History:
    records = folder / "records"
    with stage(folder, accounts=ACCOUNTS, sentinels=SENTINELS, can_step=True, **environment(records)) as found:
        print("fault   at", flush=True)
        return asyncio.run(play(found, faults, records, people=people, tell=lambda line: print(line, flush=True)))


def report(history: History, broken: dict[str, list[str]]) -> None:
    acked = sum(len(view.acked) for view in history.views)
    waits = [join.answered - join.asked for join in history.joins]
    print(f"\n{len(history.faults)} faults, {acked} messages acknowledged, {len(waits)} joins answered,", end=" ")
    print(f"half of them within {statistics.median(waits):.2f} s, the last after {max(waits):.1f} s\n")
    for sentence in LAWS:
        breaches = broken.get(sentence, [])
        print(f"{'BROKEN' if breaches else 'holds ':<8}{sentence}")
        for breach in breaches[:SHOWN]:
            print(f"            {breach}")
        if len(breaches) > SHOWN:
            print(f"            … and {len(breaches) - SHOWN} more")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--people", type=int, default=4, help="native clients for each host")
    parser.add_argument("--only", default="", help="these faults of the schedule alone, as in 3,17")
    parser.add_argument("--plan", action="store_true", help="print the schedule, do nothing")
    options = parser.parse_args()
    # As Ctrl-C, which ends what was started.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    logging.disable(logging.INFO)
    faults = schedule(options.seed, options.faults, 60 * options.minutes, without=impossible())
    if options.only:
        chosen = {int(number) for number in options.only.split(",")}
        faults = timed([fault for fault in faults if fault.number in chosen], 0.0)
    print(f"SEED={options.seed} FAULTS={options.faults} MINUTES={options.minutes:g}")
    if missing := impossible():
        print(f"Left out, as there is no C compiler: {', '.join(missing)}")
    if options.plan:
        print(*faults, sep="\n")
        return 0
    return judge(faults, options.people)


def judge(faults: Sequence[Fault], people: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="reaktor-chaos-"))
    folder.chmod(0o755)
    started = time.monotonic()
    try:
        history = run(faults, folder, people)
    except RefusedError as error:
        shutil.rmtree(folder)
        print(error, file=sys.stderr)
        return 1
    broken = check(history)
    report(history, broken)
    print(f"\n{time.monotonic() - started:.0f} s")
    if broken:
        print(f"The logs of the hosts are in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
