"""/metrics of a cluster: any worker answers for all, and no sum goes backwards when a worker dies."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.ports import wait_for
from tests.support.scraping import scrape
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster

ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "monitoring" / "alerts.yml"


async def test_any_worker_answers_for_all_and_a_crash_costs_no_count(chat: ChatCluster) -> None:
    sources = {slot: chat.source(slot) for slot in (1, 2)}
    before = scrape(chat.url, sources[1])
    async with crowd(chat, per_slot=2) as people:
        key = people.channels[0]
        for slot in (1, 2):
            for number in range(2):
                await people.on[slot][0].post(key, f"{slot} says {number}", 5.0)

        def seen(source: str, name: str) -> float:
            return scrape(chat.url, source)[name] - before.get(name, 0)

        for source in sources.values():
            for slot in (1, 2):
                name = f'reaktor_messages_in_total{{worker="{slot}"}}'
                await asyncio.to_thread(wait_for, lambda name=name, at=source: seen(at, name) == 2, 5, name)
        counted = scrape(chat.url, sources[1])
        assert counted['reaktor_sessions{transport="native",worker="2"}'] >= 2
        assert counted["reaktor_cluster_messages_in_total"] == sum(
            counted[f'reaktor_messages_in_total{{worker="{slot}"}}'] for slot in (1, 2)
        )
        assert counted["reaktor_cluster_workers_ready"] == 2
        assert counted["reaktor_authority_sessions"] >= 4
        for name in ("reaktor_supervisor_memory_bytes", "reaktor_connections_passed_total"):
            assert counted[name] > 0
        assert counted["reaktor_lease_takings_total"] == counted["reaktor_hosts_alive"] == 1
        assert counted["reaktor_lease_age_seconds"] == 0
        assert counted['reaktor_authority_missing_seconds_total{worker="1"}'] == 0
        names = {name.partition("{")[0] for name in counted}
        assert set(re.findall(r"\breaktor_[a-z0-9_]+", ALERTS.read_text())) <= names
        assert counted["reaktor_connections_waiting"] == counted["reaktor_connections_refused_total"] == 0
        old = chat.pid(2)
        chat.kill(2)
        await asyncio.to_thread(chat.wait_replaced, 2, old)
        after = scrape(chat.url, sources[1])
        totals = [name for name in counted if "_total" in name or "_bucket" in name]
        assert [name for name in totals if after[name] < counted[name]] == []
        crashes = 'reaktor_worker_crashes_total{worker="2"}'
        assert after[crashes] == counted[crashes] + 1
        await asyncio.to_thread(
            wait_for, lambda: scrape(chat.url, sources[2])['reaktor_replica_lag{worker="2"}'] == 0, 10, "a replica"
        )
