"""`make hosts`: three hosts of one chat on this machine, to click through and to stop one after another.

    sudo make hosts [PORT=8000]

Each is a network namespace with `manage.py runcluster` in it. Ctrl-C, or SIGTERM, ends all of it; nothing is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reaktor.cluster.failures import ClusterError
from tests.faults.network import RefusedError
from tests.faults.stage import SERVING_S, Host, Stage, stage
from tests.support.ports import is_listening, wait_for

ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "reaktor.settings.local", "LIMITS": "on", "WORKERS": "1"}
DECIDING_S = 10.0
HELP = """
Stop a host and see the others go on. Type, and press Enter:

    status         who lives, who decides
    stop a         end host a in order
    kill a         end all of its processes without warning
    start a        start it again

Ctrl-C ends everything."""


class Ended(BaseException):
    """SIGTERM came, or Ctrl-C."""


def main() -> int:
    """Its exit code: 0 after an orderly end, 1 where there can be no such hosts here."""

    def end(number: int, frame: object) -> None:
        # Once: what follows is the way out, and shall not be cut short.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    port = int(os.environ.get("PORT") or 8000)
    if is_listening(port):
        print(f"Somebody listens on port {port} already; choose another one: make hosts PORT=8010", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="reaktor-hosts-") as folder:
            print("Starting PostgreSQL, Redis, nginx and three hosts …", flush=True)
            with stage(Path(folder), port=port, **ENVIRONMENT) as found:
                say_where(found)
                serve(found)
    except Ended:
        print("All is ended.")
    except subprocess.CalledProcessError as error:
        print(f"{error}\n{error.stderr}", file=sys.stderr)
        return 1
    except (RefusedError, AssertionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def say_where(found: Stage) -> None:
    print(f"\nThe chat: {found.url.replace('127.0.0.1', 'localhost')}/ (nginx, which asks one host after another)\n")
    for host in found.hosts.values():
        print(f"host {host.name}: {host.url}/, supervisor {host.process.pid}, log {host.log}")
    any_host = found.hosts["a"]
    print(f"\n{status(found)}\n\nAll that it tells: DATA_DIR={any_host.directory} .venv/bin/python", end=" ")
    print(f"manage.py clusterctl status\n{HELP}", flush=True)


def serve(found: Stage) -> None:
    """Do what is typed, until a signal comes."""
    for line in sys.stdin:
        words = line.split()
        if words == ["status"]:
            print(status(found))
        elif len(words) == 2 and words[1] in found.hosts and words[0] in ORDERS:
            ORDERS[words[0]](found.hosts[words[1]])
            print(status(found))
        elif words:
            print(HELP)
        sys.stdout.flush()
    threading.Event().wait()


def status(found: Stage) -> str:
    """Which hosts run, and which of them decides. Where one has just ended, this waits for the next one to decide."""
    running = [name for name, host in found.hosts.items() if host.process.poll() is None]
    deciding = ""
    with suppress(AssertionError):
        deciding = running and wait_for(lambda: decider(found, running), DECIDING_S, "one that decides")
    words = {name: "runs" if name in running else "does not run" for name in found.hosts}
    more = {deciding: ", and decides who is where"}
    return "\n".join(f"host {name} {word}{more.get(name, '')}" for name, word in words.items())


def decider(found: Stage, running: Sequence[str]) -> str:
    """That one of the running hosts whose authority serves; empty while none does."""
    for name in running:
        with suppress(ClusterError):
            if found.hosts[name].status()["authority"].get("phase") == "serving":
                return name
    return ""


def start(host: Host) -> None:
    if host.process.poll() is None:
        print(f"Host {host.name} runs.")
    else:
        host.start()
        host.wait_serving(SERVING_S)


ORDERS = {"start": start, "stop": Host.stop, "kill": Host.kill_all}

if __name__ == "__main__":
    sys.exit(main())
