"""`python -m tests.support.run_chat_cluster APP`: runcluster, with workers that serve this module instead of ours."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import django


def main() -> None:
    django.setup()
    from django.conf import settings

    from chat.management.cluster_authority import ClusterAuthority
    from chat.selectors import cluster_id
    from reaktor.cluster.composition import Cluster

    config = replace(settings.REAKTOR, cluster_id=cluster_id())
    cluster = Cluster(
        config,
        lambda redis: ClusterAuthority(config, redis),
        say=lambda line: print(line, flush=True),
        app=sys.argv[1],
    )
    asyncio.run(cluster.run())


if __name__ == "__main__":
    main()
