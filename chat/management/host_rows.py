"""The rows of the hosts in the database, as reaktor.cluster.hosts wants them read; and the row of this one.

An OwnHost is made by whatever is a whole host: a supervisor, or a process that is the whole server. enter() takes its
row before anything serves, keep() renews it where others look (PostgreSQL), leave() says that it ended in order.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, connections, transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from chat.management.lease_rows import CONNECT_S
from chat.membership import wire
from chat.models import ClusterHost, ClusterLease
from chat.selectors import AUTHORITY, cluster_id
from reaktor import __version__
from reaktor.cluster import authority_lock
from reaktor.cluster.contract import NO_HOME, Home, Neighbour
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.hosts import LOOK_S, OWN_FILES, RENEW_S, SHARED_FILES, Entrance, HostRow, HostWatch
from reaktor.cluster.lease_keeper import boot_clock
from reaktor.cluster.relay_probe import answers
from reaktor.config.model import Config, Files
from reaktor.db.capacity import Demand, demand
from reaktor.db.database import Database, own_connection
from reaktor.errors import UnavailableError
from reaktor.process.relay_pass import relay_key
from reaktor.times import timestamp

logger = logging.getLogger(__name__)

FIELDS = tuple(HostRow.__dataclass_fields__)
GIVEN = ("number", "life", "renewals", "last_seen")
"""What the taking of a row sets."""
FINGERPRINT_CHARS = 16
LEAVE_S = 1.0
ASK_S = 1.0
RECENT = timedelta(seconds=15)
"""Whoever looks but once takes a host for alive that was seen then."""
OLD = timedelta(days=30)
"""For so long a host that is gone keeps its name and number."""


class OwnHost:
    """This host. It must hold the lock on DATA_DIR: that is what proves that a row of the same lock is over."""

    def __init__(self, config: Config, *, has_shared_bus: bool) -> None:
        self._config, self._has_shared_bus = config, has_shared_bus
        self._watch = HostWatch()
        self._holder = ""
        self._has_warned = False
        self.home = NO_HOME

    def enter(self) -> Home:
        """Take our row, and begin its next life. Blocks for as long as somebody may be in the way. Not for the loop.

        Raises SupervisorError: somebody is, or the database has no such table.
        """
        try:
            own = self._row()
            entrance = Entrance(own, wire.READABLE)
            while True:
                rows = read_hosts()
                # On SQLite the lock on DATA_DIR has kept everybody else out.
                if connection.vendor == "sqlite" or entrance.may_enter(rows, boot_clock()):
                    if (taken := take_host(entrance.own_row(rows), own)) is not None:
                        self.home = taken.home
                        forget_old_hosts(self.home)
                        return self.home
                else:
                    time.sleep(LOOK_S)
        except (DatabaseError, InterfaceError, ObjectDoesNotExist) as error:
            raise SupervisorError(
                f"The hosts of this database can't be read ({str(error).strip()}). Run `manage.py prepare` first."
            ) from error
        finally:
            connections.close_all()

    async def keep(self, database: Database) -> None:
        """Renew the row until cancelled; on SQLite nobody looks. A database that is away is no reason to end.

        Raises SupervisorError when somebody else was started under our name.
        """
        while True:
            began = time.monotonic()
            try:
                rows, self._holder = await database.read_once(self._renew)
                self._watch.note(rows, boot_clock())
                await self._ask_silent()
                self._warn_unadvertised()
            except UnavailableError:
                pass  # everybody else says so
            if connection.vendor == "sqlite":
                return
            await asyncio.sleep(RENEW_S - (time.monotonic() - began))

    async def _ask_silent(self) -> None:
        """Whoever is cut off the database serves on, and what is relayed to it must not be cut."""
        silent = self._watch.nearly_lost(self.home.host)
        if silent:
            key = relay_key(settings.SECRET_KEY, self._config.cluster_id)
            found = await asyncio.gather(*(answers(key, host, ASK_S) for host in silent))
            for host, is_there in zip(silent, found, strict=True):
                if is_there:
                    self._watch.heard(host, boot_clock())

    def leave(self) -> None:
        """It ends in order: nobody need wait for it. Takes LEAVE_S or so at most. Not for the loop; never raises."""
        connections.close_all()
        own_connection(LEAVE_S, answer_s=LEAVE_S, connect_s=CONNECT_S)
        try:
            self._mine().update(is_up=False)
        except (DatabaseError, InterfaceError):
            pass
        finally:
            connections.close_all()

    def neighbours(self) -> list[Neighbour]:
        """The other hosts that live and take what is relayed to them."""
        return self._watch.neighbours(self.home.host)

    def _warn_unadvertised(self) -> None:
        others = [row.name for row in self._watch.living() if row.number != self.home.host]
        if others and not self._config.cluster.advertise and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "host %s lives beside %s and has no ADVERTISE: nothing is relayed to it, so Socket.IO clients that "
                "poll must always reach the host that has their session",
                self._config.host_name,
                ", ".join(others),
            )

    def status(self) -> list[dict[str, Any]]:
        """All hosts, to be shown: number, name, life, version, advertise, last_seen, is_alive, is_own, decides."""
        return [
            {
                **{name: getattr(row, name) for name in ("number", "name", "life", "version", "advertise")},
                "last_seen": timestamp(row.last_seen) if row.last_seen else None,
                "is_alive": is_alive or row.number == self.home.host,
                "is_own": row.number == self.home.host,
                "decides": row.name == self._holder,
            }
            for row, is_alive in self._watch.hosts()
        ]

    def _row(self) -> HostRow:
        may_open = demand(self._config)
        return HostRow(
            name=self._config.host_name,
            lock=authority_lock.identity(self._config.data_dir),
            version=__version__,
            wire=wire.VERSION,
            secret_key=fingerprint("SECRET_KEY", settings.SECRET_KEY),
            jwt_secret=fingerprint("JWT_SECRET", settings.JWT_SECRET),
            vapid_key=fingerprint("VAPID_KEY", settings.VAPID_KEY) if settings.VAPID_KEY else "",
            has_shared_bus=self._has_shared_bus,
            advertise=self._config.cluster.advertise if self._has_shared_bus else "",
            worker_connections=may_open.workers,
            other_connections=may_open.beside,
            relays_by_tls=self._config.cluster.relay_tls is not None,
            files=files_kind(self._config.files),
        )

    def _renew(self) -> tuple[list[HostRow], str]:
        if not self._mine().update(renewals=F("renewals") + 1, last_seen=Now()):
            raise SupervisorError(
                f"Another server was started as host {self._config.host_name}. Give each one a HOST_NAME of its own."
            )
        if connection.vendor == "sqlite" or not self._has_shared_bus:
            # Nobody else can decide, and one process that is the whole server takes no lease for it.
            return read_hosts(), self._config.host_name
        holder = ClusterLease.objects.filter(duty=AUTHORITY).values_list("holder", flat=True).first() or ""
        return read_hosts(), host_of(holder)

    def _mine(self) -> Any:
        return ClusterHost.objects.filter(number=self.home.host, life=self.home.life)


def fingerprint(name: str, secret: str) -> str:
    """Equal on two hosts of one cluster exactly where the secret is. It can't be looked up for another cluster."""
    text = f"reaktor cluster_host {name} {cluster_id()}"
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()[:FINGERPRINT_CHARS]


def files_kind(files: Files) -> str:
    """Where a host keeps files, as its row says it: the same words on two hosts mean the same place."""
    if files.s3_bucket:
        place = f"{files.s3_endpoint} {files.s3_bucket}"
        return f"s3 {hashlib.sha256(place.encode()).hexdigest()[:FINGERPRINT_CHARS]}"
    return SHARED_FILES if files.is_shared else OWN_FILES


def holder_name(config: Config) -> str:
    """What this host is called in the row of a lease: its name, and the lock that it holds."""
    return f"{config.host_name}/{authority_lock.identity(config.data_dir)}"


def host_of(holder: str) -> str:
    """The name in what holder_name() says."""
    return holder.rpartition("/")[0]


def read_hosts() -> list[HostRow]:
    return [HostRow(**row) for row in ClusterHost.objects.values(*FIELDS)]


def other_demands(config: Config) -> list[Demand]:
    """What the other hosts that live may open; one of a release that did not say is taken for one like this."""
    living = ClusterHost.objects.filter(is_up=True, last_seen__gt=Now() - RECENT).exclude(name=config.host_name)
    said = [Demand(row.worker_connections, row.other_connections) for row in living]
    return [one if any(one) else demand(config) for one in said]


def forget_old_hosts(own: Home) -> None:
    """Where names are made anew with each start, as in containers, the table would grow for ever.

    The greatest number stays: none is given twice, since whoever decides remembers the lives of each.
    """
    last = ClusterHost.objects.aggregate(last=Max("number"))["last"]
    old = ClusterHost.objects.filter(last_seen__lt=Now() - OLD)
    old.exclude(number__in=(own.host, last)).delete()


def take_host(seen: HostRow | None, own: HostRow) -> HostRow | None:
    """Write our row, over the one that was seen if there is one. None: somebody else was there first."""
    said = {name: value for name, value in asdict(own).items() if name not in GIVEN}
    if seen is None:
        try:
            with transaction.atomic():
                number = (ClusterHost.objects.aggregate(last=Max("number"))["last"] or 0) + 1
                ClusterHost.objects.create(**said, number=number, life=1, last_seen=Now())
        except IntegrityError:
            return None
        return HostRow(**said, number=number, life=1)
    same = ClusterHost.objects.filter(number=seen.number, life=seen.life, renewals=seen.renewals)
    try:
        taken = same.update(**said, life=F("life") + 1, last_seen=Now())
    except IntegrityError:
        return None
    return HostRow(**said, number=seen.number, life=seen.life + 1, renewals=seen.renewals) if taken else None
