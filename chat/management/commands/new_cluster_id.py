"""`manage.py new_cluster_id`: for a database that is a copy of another server's. Run it while no server works on it.

A copy has the name of the original. Where both use one Redis, the second server would be refused.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from chat.services import cluster_rename


class Command(BaseCommand):
    help = "Give the cluster of this database a new name on its Redis. Stop its server first."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The cluster of this database is {cluster_rename()} from now on.")
