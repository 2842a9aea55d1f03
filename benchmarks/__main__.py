"""`make bench`: our server beside its peers in one run on this machine, as a table of figures and ratios.

`python -m benchmarks [--members 200,1000] [--only reaktor]`. Core 0 serves, core 1 makes the load.
"""

from __future__ import annotations

import argparse
import os

from benchmarks.fanout import Figures, measure
from benchmarks.servers import ChannelsTutorial, NodeSocketIO, Reaktor, Server

ORIGINAL = "node, sio17"


def servers() -> list[Server]:
    return [
        Reaktor("native"),
        Reaktor("eio4"),
        Reaktor("eio3"),
        NodeSocketIO("sio17"),
        NodeSocketIO("sio48"),
        ChannelsTutorial(),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", default="200,1000")
    parser.add_argument("--only", default="", help="measure the servers whose name contains this")
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    for members in (int(each) for each in options.members.split(",")):
        found: list[Figures] = []
        for server in servers():
            if options.only in server.name:
                print(f"measuring {server.name} …", flush=True)
                with server:
                    found.append(measure(server, members))
        print_table(members, found)


def print_table(members: int, found: list[Figures]) -> None:
    """The figures, and the ratio of the deliveries to the original's where it was measured too."""
    original = next((each for each in found if each.server == ORIGINAL), None)
    print(f"\n{members} members, messages of 100 characters; deliveries/s (times the original's)\n")
    print("| server | one at a time | 50 in flight | p50 / p99 ms at 50/s | connects/s | KiB/connection |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in found:
        alone, in_flight = (
            f"{value:,.0f}" + (f" ({value / base:.2f})" if original is not None else "")
            for value, base in (
                (each.alone, original.alone if original else 1),
                (each.in_flight, original.in_flight if original else 1),
            )
        )
        print(
            f"| {each.server} | {alone} | {in_flight} | {each.p50_ms:.1f} / {each.p99_ms:.1f} "
            f"| {each.connects:,.0f} | {each.memory_kib:.0f} |"
        )


if __name__ == "__main__":
    main()
