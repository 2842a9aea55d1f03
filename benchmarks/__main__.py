"""`make bench`: everything that is measured, in one run; writes RESULTS.md and its plots, and prints the tables.

`python -m benchmarks [--quick] [--only WORD,WORD] [--folder DIR]`. Core 0 serves, core 1 makes the load. What fails is
said, and the run goes on. With --quick or --only nothing is written unless --folder is given.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.journal import Journal
from benchmarks.machine import about
from benchmarks.plots import draw
from benchmarks.report import Section, results_page, tables_text
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.scenarios import (
    back,
    connects,
    deliveries,
    growth,
    hosts,
    idle,
    joins,
    posts,
    rest,
    spread,
    storms,
    under_load,
)

HERE = Path(__file__).resolve().parent
PLOTS = "plots"
SCENARIOS: dict[str, Callable[[Scale, Journal], Section]] = {
    "deliveries": deliveries.run,
    "under_load": under_load.run,
    "posts": posts.run,
    "connects": connects.run,
    "joins": joins.run,
    "idle": idle.run,
    "rest": rest.run,
    "growth": growth.run,
    "spread": spread.run,
    "hosts": hosts.run,
    "storms": storms.run,
    "back": back.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds, few members: does it all work?")
    parser.add_argument("--only", default="", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--folder", type=Path, help="where RESULTS.md is written")
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    # As Ctrl-C: the servers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    scale = QUICK if options.quick else FULL
    only = options.only.split(",") if options.only else list(SCENARIOS)
    sections = [section(name, scale) for name in only]
    folder = options.folder or (None if options.quick or options.only else HERE)
    if folder is not None:
        write(sections, folder, about(time.strftime("%Y-%m-%d"), is_quick=options.quick))


def section(name: str, scale: Scale) -> Section:
    """What one scenario found, printed; one that fails as a whole says why."""
    journal = Journal()
    try:
        found = SCENARIOS[name](scale, journal)
    except Exception as error:  # noqa: BLE001  the others are to be measured
        found = Section(name, failures={**journal.failures, name: f"{type(error).__name__}: {error}"})
    print(tables_text(found), flush=True)
    return found


def write(sections: list[Section], folder: Path, head: str) -> None:
    plots = folder / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    for plot in (plot for each in sections for plot in each.plots):
        (plots / f"{plot.name}.svg").write_text(draw(plot))
    page = results_page(sections, head, (HERE / "limits.md").read_text(), PLOTS)
    (folder / "RESULTS.md").write_text(page)
    print(f"written: {folder / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
