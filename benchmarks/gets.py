"""What the GETs cost that are asked most: `python -m benchmarks.gets [--seconds 2.5] [--channels 0]`.

One client asks one worker for the same over one connection, one request after the other. Printed, for each request:
microseconds of the worker's processor. /healthz, which asks nothing, is what HTTP itself costs.
"""

from __future__ import annotations

import argparse
import http.client
import time

from benchmarks.load import Crowd
from benchmarks.rounds import cpu_s
from benchmarks.servers import CHANNEL, Reaktor

MESSAGES = 60
WARM = 20
PATHS = (
    "/healthz",
    "/channels",
    f"/channels/{CHANNEL}/messages?start=0&end=25",
    f"/api/v1/channels/{CHANNEL}/messages",
    "/api/v1/channels",
)
FILL = """
from chat.models import Channel
Channel.objects.bulk_create([Channel(key=f"made{{n}}", name=f"Made {{n}}", kind="public") for n in range({count})])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.5, help="for each request")
    parser.add_argument("--channels", type=int, default=0, help="public ones beside the first three")
    options = parser.parse_args()
    server = Reaktor("native")
    with server:
        member = server.connect(Crowd())
        for number in range(MESSAGES):
            server.post(member, "x" * 100, number)
        server.manage("shell", "-c", FILL.format(count=options.channels))
        for path in PATHS:
            print(f"{path:45} {cost_us(server, path, options.seconds):6.0f} µs", flush=True)


def cost_us(server: Reaktor, path: str, seconds: float) -> float:
    """Microseconds of the worker's processor for one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Bearer {server.token()}"}

    def ask() -> None:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status}")

    for _ in range(WARM):
        ask()
    before, count = cpu_s([server.worker_pid]), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ask()
        count += 1
    connection.close()
    return (cpu_s([server.worker_pid]) - before) / count * 1e6


if __name__ == "__main__":
    main()
