"""`manage.py new_history`: begin a new history, after which every client reads anew. Run it while no server works.

For a database that lost what clients have seen, where nothing tells that from its original: a disk that was set back, a
standby that was promoted without the last posts. Called by an operator.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from chat import services
from chat.management.lease_rows import LeaseRows
from chat.selectors import AUTHORITY
from reaktor.cluster import authority_lock
from reaktor.cluster.failures import ClusterError
from reaktor.cluster.lease import LEASE_S, RENEW_SHARE, LeaseAwayError
from reaktor.process.live_servers import live_servers

RUNNING = "A server is running on this database{where}. Stop it first: what it remembers is of the history that ends."


class Command(BaseCommand):
    help = (
        "Begin a new history: every client reads everything anew. For a database that lost what clients have seen: one "
        "that was set back as a whole, a standby that was promoted without the last posts. Stop all its servers first."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.REAKTOR
        if live_servers(config):
            raise CommandError(RUNNING.format(where=""))
        try:
            authority_lock.hold(config.data_dir, config.cluster.port)
            self._refuse_beside_another()
            services.history_begin()
        except (ClusterError, DatabaseError, LeaseAwayError) as error:
            raise CommandError(str(error)) from error
        finally:
            authority_lock.let_go(config.data_dir)
        self.stdout.write("A new history has begun: clients read everything anew.")

    def _refuse_beside_another(self) -> None:
        """On another host, where its lease alone shows it: whoever is there renews it."""
        if connection.vendor == "sqlite":
            return
        rows = LeaseRows(AUTHORITY, answer_s=LEASE_S)
        before = rows.read()
        if not before.holder:
            return
        time.sleep(2 * RENEW_SHARE * LEASE_S)
        now = rows.read()
        if now.holder and now != before:
            raise CommandError(RUNNING.format(where=f", on {now.holder.rpartition('/')[0]}"))
