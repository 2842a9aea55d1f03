"""`python -m tests.support.run_cluster`: the machinery with the small application, configured by the environment."""

import asyncio
import logging
import os
import sys

from reaktor.cluster.composition import Cluster
from reaktor.cluster.contract import Home
from reaktor.cluster.failures import ClusterError
from reaktor.config.environment import config_from


class Companion:
    """Counts what it is told."""

    def __init__(self, redis_url):
        self.exited = []

    async def claim(self):
        return Home(1, 1)

    async def run(self, obey):
        await asyncio.Event().wait()

    async def stopping(self):
        pass

    async def hand_over(self):
        return {"holder": "here", "is_other": False}

    async def ask_host(self, home, order):
        return {}

    def worker_exited(self, slot, incarnation):
        self.exited.append([slot, incarnation])

    def hosts(self):
        return []

    def neighbours(self):
        return []

    def status(self):
        return {"epoch": 1, "revision": 7, "digest": "same", "sessions": 0, "exited": self.exited}


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    cluster = Cluster(
        config_from(os.environ),
        Companion,
        say=lambda line: print(line, flush=True),
        app="tests.support.cluster_app",
    )
    try:
        asyncio.run(cluster.run())
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
