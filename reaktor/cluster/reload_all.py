"""`clusterctl reload --all`: every host of a cluster replaces its workers, one host after the other.

It is steered by the command, which asks the supervisor beside it for each step. So whoever runs it sees how far it is,
and an end of the command lets no further host begin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reaktor.cluster.failures import SupervisorError
from reaktor.wording import counted

PING = {"do": "ping"}
RELOAD = {"do": "reload", "until": "serving"}

Ask = Callable[[Mapping[str, Any]], Any]
"""A request to the supervisor beside us; its result. Raises ClusterError."""


def reload_all(ask: Ask, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """[{"host", "reloaded"}] in the order in which it was done: this host first, so that bad code stops here.

    A host that comes meanwhile has its turn at the end, one that goes has none: it will start with what is installed.
    Raises SupervisorError where one does not answer (before anything is done, if it was silent then), or fails.
    """
    before = _living(ask)
    for host in before:
        _order(ask, host, PING, "Nothing was replaced anywhere. Mend or stop that host first.")
    done: dict[int, dict[str, Any]] = {}
    while left := [host for host in _living(ask) if host["number"] not in done]:
        host, *others = left
        after = ", ".join(other["name"] for other in others)
        found = _order(ask, host, RELOAD, f"Not replaced: {after}." if others else "It was the last one.")
        slots = found["reloaded"]
        done[host["number"]] = {"host": host["name"], "reloaded": slots}
        say(f"{host['name']}: replaced {counted(len(slots), 'worker')}.")
    for host in before:
        if host["number"] not in done:
            say(f"{host['name']}: it ended meanwhile, and will start with what is installed there.")
    return list(done.values())


def _living(ask: Ask) -> list[dict[str, Any]]:
    hosts = [host for host in ask({"do": "status"})["hosts"] if host["is_alive"]]
    if not hosts:
        raise SupervisorError("This server does not know its hosts yet. Try again in a moment.")
    return sorted(hosts, key=lambda host: (not host["is_own"], host["number"]))


def _order(ask: Ask, host: Mapping[str, Any], order: Mapping[str, Any], otherwise: str) -> Any:
    try:
        return ask({"do": "ask-host", "host": host["number"], "life": host["life"], "order": order})
    except SupervisorError as error:
        raise SupervisorError(f"Host {host['name']}: {error} {otherwise}") from error
