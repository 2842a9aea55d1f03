"""/metrics of a whole server in one process, and what the files in deploy/monitoring make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
import yaml

from tests.integration.conftest import Connect
from tests.support.ports import wait_for
from tests.support.scraping import scrape
from tests.support.server import LiveServer

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
NAME = re.compile(r"\breaktor_[a-z0-9_]+")


async def test_what_people_do_is_counted(server: LiveServer, connect: Connect, channel: str) -> None:
    before = scrape(server.url)
    ann, bob = await connect(), await connect()
    await ann.join(channel)
    await bob.join(channel)
    for number in range(3):
        await ann.post(channel, f"message {number}")
        await bob.message(f"message {number}")
    after = scrape(server.url)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('reaktor_messages_in_total{worker="0"}') == 3
    assert grown('reaktor_joins_total{worker="0"}') == 2
    assert grown('reaktor_sessions{transport="native",worker="0"}') == 2
    assert grown('reaktor_commit_messages_sum{worker="0"}') == 3
    assert grown('reaktor_fanout_seconds_count{worker="0"}') >= 3
    assert grown("reaktor_authority_commands_total") >= 4
    assert after['reaktor_database_up{worker="0"}'] == after['reaktor_bus_up{worker="0"}'] == 1
    assert after['reaktor_memory_bytes{worker="0"}'] > 10_000_000


def test_a_limit_that_says_no_is_counted(hasty_server: LiveServer) -> None:
    name = 'reaktor_rate_limited_total{limit="login",worker="0"}'
    before = scrape(hasty_server.url)[name]
    wrong = {"username": "nobodyhere", "password": "wrong horse"}
    codes = [httpx.post(f"{hasty_server.url}/api/v1/tokens", json=wrong).status_code for _ in range(11)]
    assert codes[-1] == 429
    wait_for(lambda: scrape(hasty_server.url)[name] == before + codes.count(429), 5, "the count")


def test_strangers_are_told_nothing(server: LiveServer) -> None:
    through_a_proxy = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(f"{server.url}/metrics", headers=through_a_proxy).status_code == 404
    assert httpx.get(f"{server.url}/readyz", headers=through_a_proxy).json() == {"status": "ready"}


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alerts.yml"])
def test_every_name_that_the_monitoring_files_use_is_there(server: LiveServer, file: str) -> None:
    text = (MONITORING / file).read_text()
    loaded = json.loads(text) if file.endswith("json") else yaml.safe_load(text)
    assert loaded
    used = set(NAME.findall(text))
    there = {name.partition("{")[0] for name in scrape(server.url)}
    # Only a supervisor has these; the cluster's own test looks for them.
    there |= {"reaktor_supervisor_memory_bytes", "reaktor_connections_waiting", "reaktor_connections_refused_total"}
    there |= {"reaktor_lease_age_seconds", "reaktor_lease_takings_total"}
    assert len(used) > 10
    assert used <= there


def test_each_alarm_asks_for_a_metric_of_ours_and_the_docs_name_those_of_several_hosts() -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    assert [rule["alert"] for rule in group["rules"] if not NAME.search(rule["expr"])] == ["ReaktorDown"]
    told = set(re.findall(r"\bReaktor[A-Z]\w+", (MONITORING.parents[1] / "docs" / "monitoring.md").read_text()))
    assert {"ReaktorAuthorityNotServing", "ReaktorHostGone"} <= told <= set(names)


def test_the_table_in_the_docs_is_complete(server: LiveServer) -> None:
    text = (MONITORING.parents[1] / "docs" / "monitoring.md").read_text()
    there = {name.partition("{")[0] for name in scrape(server.url)}
    plain = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in there if "_cluster_" not in name}
    assert {name for name in plain if name not in text} == set()
