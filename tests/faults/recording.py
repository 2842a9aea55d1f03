"""What a process of a host records of itself: whose word its replicas took. Read by the driver, judged by the laws.

install() is called by tests.faults.settings in each process of a host; read() gives what all of them wrote.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chat.membership.replica import Replica
from tests.faults.history import Applied


def install(folder: Path) -> None:
    """From now on each step of each replica is written to a file of this process, at once."""
    descriptor = os.open(folder / str(os.getpid()), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def write(replica: Replica, epoch: int) -> None:
        os.write(descriptor, f"{replica.worker}/{os.getpid()} {epoch} {replica.followed.epoch}\n".encode())

    def applying(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def offered(self: Replica, *arguments: Any) -> Any:
            before = self.position
            found = method(self, *arguments)
            if self.position != before:
                write(self, self.position.epoch)
            return found

        return offered

    def following(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def followed(self: Replica, *arguments: Any) -> Any:
            before = self.followed
            found = method(self, *arguments)
            if self.followed != before:
                write(self, self.followed.epoch)
            return found

        return followed

    for name, recorded in (("offer", applying), ("restore", applying), ("follow", following)):
        setattr(Replica, name, recorded(getattr(Replica, name)))


def read(folder: Path) -> list[Applied]:
    """All that was written, each replica's in its order. What a process that was killed wrote last may be cut off."""
    found = []
    for file in sorted(folder.iterdir()):
        for line in file.read_text().splitlines():
            words = line.split()
            if len(words) == 3:
                found.append(Applied(words[0], int(words[1]), int(words[2])))
    return found
