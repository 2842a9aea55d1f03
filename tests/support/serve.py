"""`python -m tests.support.serve PORT`: the small application on our Daphne alone, limits from the environment."""

import os
import sys

from reaktor.cluster.daphne import Server
from reaktor.config.environment import config_from
from tests.support.cluster_app import application

if __name__ == "__main__":
    port = sys.argv[1]
    Server.from_config(
        config_from(os.environ),
        application,
        endpoints=[f"tcp:{port}:interface=127.0.0.1", f"unix:{sys.argv[2]}"],
        signal_handlers=True,
    ).run()
