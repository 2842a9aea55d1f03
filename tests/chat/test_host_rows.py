"""The rows of the hosts in a real database, and what a start makes of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.models import F

from chat.management import host_rows
from chat.management.host_rows import OwnHost, fingerprint, read_hosts, take_host
from chat.models import ClusterHost, ClusterIdentity
from reaktor.cluster import authority_lock
from reaktor.cluster.contract import Home
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.hosts import HostRow
from reaktor.config.model import Config
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

ROW = HostRow(
    name="b", lock="boot.9", version="1.0", wire=1, secret_key="s", jwt_secret="j", has_shared_bus=True
)  # fmt: skip


@pytest.fixture(autouse=True)
def identity() -> None:
    ClusterIdentity.objects.get_or_create(pk=1)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    authority_lock.hold(tmp_path, 8000)
    yield Config(data_dir=tmp_path, host_name="a")
    authority_lock.let_go(tmp_path)


def test_numbers_are_given_once_and_each_start_is_another_life(config: Config) -> None:
    take_host(None, replace(ROW, is_up=False))
    homes = [OwnHost(config, has_shared_bus=True).enter() for _ in range(2)]
    assert homes == [Home(2, 1), Home(2, 2)]
    renamed = OwnHost(replace(config, host_name="c"), has_shared_bus=True).enter()
    assert renamed == Home(2, 3)
    assert sorted(ClusterHost.objects.values_list("name", flat=True)) == ["b", "c"]


def test_a_row_says_where_a_host_is_relayed_to_if_others_can_hear_it_at_all(config: Config) -> None:
    given = replace(config, cluster=replace(config.cluster, advertise="10.0.0.5:8001"))
    for has_shared_bus, advertise in ((True, "10.0.0.5:8001"), (False, "")):
        OwnHost(given, has_shared_bus=has_shared_bus).enter()
        assert [row.advertise for row in read_hosts()] == [advertise]
    OwnHost(config, has_shared_bus=True).enter()
    assert [row.advertise for row in read_hosts()] == [""]


def test_of_two_that_saw_the_same_rows_one_takes_it() -> None:
    first = take_host(None, ROW)
    assert first is not None
    assert take_host(None, ROW) is None
    again = take_host(first, ROW)
    assert again is not None
    assert again.life == first.life + 1
    assert take_host(first, ROW) is None
    assert read_hosts() == [again]


def test_a_host_that_is_gone_for_long_is_forgotten_and_its_number_is_given_to_nobody(config: Config) -> None:
    for name in ("b", "c", "d"):
        take_host(None, replace(ROW, name=name, is_up=False))
    ClusterHost.objects.filter(name__in=("b", "d")).update(last_seen=datetime.now(UTC) - timedelta(days=31))
    assert OwnHost(config, has_shared_bus=True).enter() == Home(4, 1)
    assert sorted(ClusterHost.objects.values_list("name", flat=True)) == ["a", "c"]
    ClusterHost.objects.update(last_seen=datetime.now(UTC) - timedelta(days=31))
    take_host(None, replace(ROW, name="e", is_up=False))
    host_rows.forget_old_hosts(Home(1, 1))
    assert list(ClusterHost.objects.values_list("name", "number")) == [("e", 5)]


def test_the_fingerprint_tells_one_secret_from_another_and_not_what_it_is() -> None:
    marks = {fingerprint(name, secret) for name in ("SECRET_KEY", "JWT_SECRET") for secret in ("one", "two")}
    assert len(marks) == 4
    assert fingerprint("SECRET_KEY", "one") in marks
    assert not any("one" in mark or "two" in mark for mark in marks)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="DATA_DIR has kept everybody else out")
def test_a_name_that_is_renewed_elsewhere_is_refused(config: Config) -> None:
    theirs = take_host(None, replace(ROW, name="a"))
    assert theirs is not None
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(0.2):
            ClusterHost.objects.filter(name="a").update(renewals=F("renewals") + 1)
        connections.close_all()

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        with pytest.raises(SupervisorError, match="A host called a works on this database already"):
            OwnHost(config, has_shared_bus=True).enter()
    finally:
        is_over.set()
        renewing.join()
    at = time.monotonic()
    assert OwnHost(config, has_shared_bus=True).enter() == Home(theirs.number, theirs.life + 1)
    assert time.monotonic() - at >= host_rows.Entrance(ROW, {ROW.wire})._silent_s


async def test_a_host_renews_its_row_until_somebody_else_has_it(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_rows, "RENEW_S", 0.1)
    own = OwnHost(config, has_shared_bus=True)
    home = await asyncio.to_thread(own.enter)
    database = Database(DatabaseConfig())
    keeping = asyncio.create_task(own.keep(database))
    try:
        await until(lambda: own.status())
        (shown,) = own.status()
        assert (shown["number"], shown["name"], shown["is_alive"], shown["is_own"]) == (home.host, "a", True, True)
        assert shown["decides"] == (connection.vendor == "sqlite")
        if connection.vendor == "sqlite":
            await keeping
            return
        await until(lambda: read_in_thread() > 2)
        await asyncio.to_thread(begin_another_life)
        with pytest.raises(SupervisorError, match="Another server was started as host a"):
            await keeping
    finally:
        keeping.cancel()
        await asyncio.to_thread(database.close)


def begin_another_life() -> None:
    ClusterHost.objects.update(life=F("life") + 1)
    connections.close_all()


def read_in_thread() -> int:
    found: list[int] = []

    def read() -> None:
        found.extend(row.renewals for row in read_hosts())
        connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    return found[0]


def test_who_ends_in_order_says_so_and_only_for_its_own_life(config: Config) -> None:
    first = OwnHost(config, has_shared_bus=True)
    first.enter()
    second = OwnHost(config, has_shared_bus=True)
    second.enter()
    first.leave()
    assert read_hosts()[0].is_up
    second.leave()
    assert not read_hosts()[0].is_up
