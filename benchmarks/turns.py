"""What a post costs in an earlier commit and in this tree, by turns in one run: `python -m benchmarks.turns COMMIT`.

Both servers run all the time, each with a database and clients of its own, as the scenario of posts has them. A round
goes to the one, the next to the other, and who is first changes with each pair. So what else the machine does meets
both alike, and each pair gives one ratio. Processor time is that of all processes of the server, PostgreSQL's for its
database among them.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.databases import POSTGRESQL, SQLITE, backends, new_database
from benchmarks.report import Table
from benchmarks.rounds import Middle, Round, middle, total
from benchmarks.scenarios.posts import CHANNELS, MEMBERS
from benchmarks.servers import ROOT, Reaktor
from benchmarks.small_channels import SmallChannels, small_channels

Pair = tuple[Round, Round]
"""Of the commit, and of this tree."""


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """A folder with the files of a commit, gone with the block."""
    with TemporaryDirectory(prefix="reaktor-bench-") as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


class Side:
    """One of the two servers, with its clients."""

    def __init__(self, kind: str, tree: Path, running: ExitStack) -> None:
        self._url = running.enter_context(new_database(kind, tree))
        self._server = running.enter_context(Reaktor(database_url=self._url, tree=tree))
        self._clients: SmallChannels = running.enter_context(small_channels(self._server, CHANNELS, MEMBERS))

    def post(self, seconds: float) -> Round:
        return self._clients.post(seconds, [*self._server.pids, *backends(self._url)])


def measure(kind: str, earlier: Path, rounds: int, seconds: float) -> list[Pair]:
    with ExitStack() as running:
        one, other = (Side(kind, tree, running) for tree in (earlier, ROOT))
        for side in (one, other):
            side.post(2 * seconds)  # until its code is warm
        pairs: list[Pair] = []
        for number in range(rounds):
            if number % 2:
                now = other.post(seconds)
                pairs.append((one.post(seconds), now))
            else:
                pairs.append((one.post(seconds), other.post(seconds)))
        return pairs


def table(found: dict[str, list[Pair]], commit: str) -> Table:
    rows = []
    for kind, pairs in found.items():
        before, now = (total([pair[at] for pair in pairs]) for at in (0, 1))
        rows.append(
            (
                kind,
                f"{before.cpu_us:.0f} and {now.cpu_us:.0f}",
                more(middle([now.cpu_us / before.cpu_us for before, now in pairs])),
                f"{before.per_s:,.0f} and {now.per_s:,.0f}",
                more(middle([before.per_s / now.per_s for before, now in pairs])),
            )
        )
    return Table(
        f"Posts in small channels, {commit} and this tree",
        ("database", "processor, µs a post", "more", "posts/s", "more time a post, by the clock"),
        rows,
        "In brackets: between which bounds it is, 19 times in 20.",
    )


def more(ratio: Middle) -> str:
    """By how much something is more."""
    return f"{ratio.value - 1:+.1%} ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="what this tree is compared with")
    parser.add_argument("--rounds", type=int, default=20, help="of each, on each database")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round")
    parser.add_argument("--database", choices=(SQLITE, POSTGRESQL), action="append", help="only this one")
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    # As Ctrl-C: the servers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tree_of(options.commit) as earlier:
        found = {
            kind: measure(kind, earlier, options.rounds, options.seconds)
            for kind in options.database or (SQLITE, POSTGRESQL)
        }
    print(table(found, options.commit).text())


if __name__ == "__main__":
    main()
