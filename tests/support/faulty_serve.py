"""`python -m tests.support.faulty_serve PORT`: our Daphne with errors in its own machinery.

One in a timed call at the beginning; one whenever the time of a connection from 127.0.0.66 is over.
"""

import os
import sys

from reaktor.cluster.daphne import Server, reactor
from reaktor.cluster.daphne_http import Channel
from reaktor.config.environment import config_from
from tests.support.cluster_app import application

on_deadline = Channel.on_deadline


def fail(channel: Channel) -> None:
    if channel.peer_host == "127.0.0.66":
        raise RuntimeError("the sweep met this")
    on_deadline(channel)


if __name__ == "__main__":
    Channel.on_deadline = fail  # type: ignore[method-assign]
    reactor.callLater(0, lambda: 1 // 0)
    server = Server.from_config(
        config_from(os.environ), application, endpoints=[f"tcp:{sys.argv[1]}:interface=127.0.0.1"], signal_handlers=True
    )
    server.run()
