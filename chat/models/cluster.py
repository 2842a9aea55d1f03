"""What the cluster that works on this database has in common, whichever host it runs on."""

from __future__ import annotations

import secrets

from django.db import models

from reaktor.config.model import MAX_HOST_NAME


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


class ClusterHost(models.Model):
    """One machine (or one process that is a whole server) that works on this database: `reaktor.cluster.hosts`.

    Whoever starts under its name takes the row and begins its next life. Seen to be renewed, it is alive.
    """

    number = models.PositiveSmallIntegerField(primary_key=True, help_text="What processes call it. Given once.")
    name = models.CharField(max_length=MAX_HOST_NAME, unique=True)
    life = models.PositiveBigIntegerField(default=1, help_text="Grows with each start under this name.")
    lock = models.CharField(max_length=200, help_text="The locked file of its DATA_DIR.")
    version = models.CharField(max_length=40, help_text="The release that it runs.")
    wire = models.PositiveSmallIntegerField(help_text="The version of what its processes say to others.")
    secret_key = models.CharField(max_length=32, help_text="A fingerprint of its SECRET_KEY.")
    jwt_secret = models.CharField(max_length=32, help_text="A fingerprint of its JWT_SECRET.")
    vapid_key = models.CharField(
        max_length=32, db_default="", default="", help_text="A fingerprint of its VAPID_KEY. Empty: it has none."
    )
    files = models.CharField(max_length=40, default="local", help_text="Where it keeps files.")
    has_shared_bus = models.BooleanField(help_text="Whether other hosts can hear it: it was given a Redis.")
    advertise = models.CharField(
        max_length=64, db_default="", default="", help_text="Where it takes what other hosts relay."
    )
    worker_connections = models.PositiveIntegerField(
        db_default=0, default=0, help_text="Those to the database that its workers may open."
    )
    other_connections = models.PositiveIntegerField(db_default=0, default=0, help_text="The same of all else.")
    relays_by_tls = models.BooleanField(
        db_default=False, default=False, help_text="Whether what hosts relay to each other is encrypted."
    )
    is_up = models.BooleanField(default=True, help_text="Not: it has ended in order.")
    renewals = models.PositiveBigIntegerField(default=0)
    last_seen = models.DateTimeField(help_text="By the database's clock. For people: nothing is decided by it.")

    class Meta:
        db_table = "cluster_host"

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"
