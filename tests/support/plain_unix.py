"""`python -m tests.support.plain_unix`: tests.support.run_cluster on a Unix without what Linux alone has.

Taken away in all of its processes: sockets that keep packets apart, close-on-exec for what is received, the death
signal, /proc, low-water marks.
"""

import os
import socket
import sys
from pathlib import Path

from reaktor.cluster import forwarded, leash, packets, worker, worker_process
from reaktor.observe import memory

WORKER = (sys.executable, "-m", "tests.support.plain_unix", "worker")
LEASH = (sys.executable, "-m", "tests.support.plain_unix", "leash")


def take_away() -> None:
    packets.KIND = socket.SOCK_STREAM
    packets._CLOSE_ON_EXEC = 0
    forwarded.socket.SO_RCVLOWAT = -1
    memory.PROC = Path("/nowhere")
    leash.ask_death_signal = lambda number: False
    leash.leashed = lambda *command: (*LEASH, str(os.getpid()), *command)
    worker_process.COMMAND = WORKER


if __name__ == "__main__":
    take_away()
    match sys.argv[1:]:
        case ["worker", *arguments]:
            worker.main(arguments)
        case ["leash", *arguments]:
            sys.argv[1:] = arguments
            leash.main()
        case _:
            from tests.support.run_cluster import main

            main()
