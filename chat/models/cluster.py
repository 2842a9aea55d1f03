"""What the cluster that works on this database has in common, whichever host it runs on."""

from __future__ import annotations

import secrets

from django.db import models


def random_cluster_id() -> str:
    """16 hexadecimal digits from 64 random bits."""
    return secrets.token_hex(8)


class ClusterIdentity(models.Model):
    """One row: the name of this database's cluster. Everything that it says or keeps on a Redis begins with it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    cluster_id = models.CharField(max_length=32, default=random_cluster_id)

    class Meta:
        verbose_name_plural = "cluster identities"

    def __str__(self) -> str:
        return self.cluster_id


class ClusterLease(models.Model):
    """One duty of the cluster (deciding who is where, above all), and who has it: `reaktor.cluster.lease`."""

    duty = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=200, default="", help_text="Empty: nobody has it.")
    epoch = models.BigIntegerField(default=0, help_text="Grows with each taking.")
    term = models.CharField(max_length=32, default="", help_text="Random, new with each taking.")
    renewals = models.BigIntegerField(default=0, help_text="Within the term.")

    class Meta:
        db_table = "cluster_lease"

    def __str__(self) -> str:
        return f"{self.duty}: {self.holder or 'nobody'}"
