"""What `manage.py prepare` says of the connections that all hosts may open: it warns, and goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.db import connection

from chat.management.commands.prepare import Command
from chat.management.host_rows import other_demands, take_host
from chat.models import ClusterHost
from reaktor.config.model import Cluster, Config
from reaktor.db.capacity import Demand, demand
from tests.chat.test_host_rows import ROW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path, host_name="a", cluster=Cluster(workers=1))


def test_the_other_hosts_that_live_count_and_one_that_did_not_say_counts_as_this_one(config: Config) -> None:
    for name, workers, other, is_up in (("b", 40, 9, True), ("c", 0, 0, True), ("d", 80, 9, False), ("a", 99, 9, True)):
        take_host(
            None, replace(ROW, name=name, worker_connections=workers, other_connections=other, is_up=is_up)
        )  # fmt: skip
    take_host(None, replace(ROW, name="e", worker_connections=70))
    ClusterHost.objects.filter(name="e").update(last_seen=datetime.now(UTC) - timedelta(minutes=5))
    assert sorted(other_demands(config)) == sorted([Demand(40, 9), demand(config)])


def warned(config: Config) -> str:
    told = StringIO()
    Command(stdout=StringIO(), stderr=told)._compare_connections(config)
    return told.getvalue()


def test_it_warns_where_they_would_not_fit_with_this_one_on_top(config: Config) -> None:
    if connection.vendor == "sqlite":
        assert warned(replace(config, cluster=Cluster(workers=250))) == ""
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        total = int(cursor.fetchone()[0])
    assert warned(config) == ""
    take_host(None, replace(ROW, name="b", worker_connections=total, other_connections=9))
    assert "Warning: PostgreSQL gives us" in warned(config)
    assert f"and 2 hosts may open {total + 9 + sum(demand(config))}, this one {sum(demand(config))}" in warned(config)
