"""`python -m tests.support.run_lone`: one process that is a whole server, with the small application."""

import asyncio
import os
import sys

from reaktor.cluster.contract import Place
from reaktor.cluster.failures import ClusterError
from reaktor.cluster.lone import Lone
from reaktor.config.environment import config_from
from reaktor.process.bus import Bus
from tests.support.cluster_app import Runtime, application

__all__ = ["application", "create_lone_runtime"]


class Layer:
    """Takes what is said, and keeps it to itself."""

    async def group_send(self, group, message):
        pass


class LoneRuntime(Runtime):
    """The small application's runtime, with what a process that is the whole server has beside it."""

    authority = None
    is_draining = False

    def __init__(self):
        super().__init__(Place(1, 1, 0, 1))
        self.worker = self.place
        self.bus = Bus(Layer())

    def hosts(self):
        return []

    def status(self):
        return {**super().status(), "in_step": True}


def create_lone_runtime():
    return LoneRuntime()


async def beside():
    """What fails beside the server is said, and ends nothing."""
    await asyncio.sleep(0)
    raise RuntimeError("nobody needs this")


if __name__ == "__main__":
    import django

    django.setup()
    try:
        Lone(
            config_from(os.environ),
            lambda line: print(line, flush=True),
            beside=(beside,),
            app="tests.support.run_lone",
        ).run()
    except ClusterError as error:
        sys.exit(str(error))
