"""The name of the cluster that works on this database."""

from __future__ import annotations

from chat.models import ClusterIdentity, random_cluster_id


def cluster_rename() -> str:
    """Give it a new name, which is returned. Servers learn of it at their next start."""
    new = random_cluster_id()
    ClusterIdentity.objects.update_or_create(pk=1, defaults={"cluster_id": new})
    return new
