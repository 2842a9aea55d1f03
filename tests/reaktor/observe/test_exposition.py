"""The text format, and who gets it."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reaktor.errors import UnavailableError
from reaktor.observe.exposition import exposition
from reaktor.observe.metrics import SECONDS, Histogram, added
from reaktor.web.insiders import is_insider
from reaktor.web.metrics_endpoint import MetricsApplication


def scraped(picture: dict[str, Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition(picture).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def picture() -> dict[str, Any]:
    waits = Histogram(SECONDS)
    waits.observe(0.003)
    waits.observe(9.0)
    one = {
        "counters": {"joins": 3, "rate_limited:send": 2, "unheard_of": 1},
        "gauges": {"sessions:native": 5, "replica_lag": 1},
        "flags": {"bus_up": True},
        "histograms": {"fanout_seconds": waits.as_data(), "commit_seconds": [1, 2, 3]},
    }
    other = {"counters": {"joins": 4}, "flags": {"bus_up": False}}
    server = added([{"counters": {"authority_commands": 8}, "flags": {"authority_serving": True}}])
    return {"workers": {"1": added([one]), "2": added([other])}, "server": server}


def test_figures_carry_their_worker_and_add_up_to_the_clusters() -> None:
    found = scraped(picture())
    assert found["reaktor_joins_total", (("worker", "1"),)] == 3
    assert found["reaktor_joins_total", (("worker", "2"),)] == 4
    assert found["reaktor_cluster_joins_total", ()] == 7
    assert found["reaktor_rate_limited_total", (("limit", "send"), ("worker", "1"))] == 2
    assert found["reaktor_cluster_sessions", (("transport", "native"),)] == 5
    assert found["reaktor_bus_up", (("worker", "2"),)] == 0
    assert found["reaktor_authority_commands_total", ()] == 8
    assert found["reaktor_authority_serving", ()] == 1


def test_buckets_are_cumulative_and_end_at_infinity() -> None:
    found = scraped(picture())
    assert found["reaktor_fanout_seconds_bucket", (("le", "0.0025"), ("worker", "1"))] == 0
    assert found["reaktor_fanout_seconds_bucket", (("le", "0.005"), ("worker", "1"))] == 1
    assert found["reaktor_fanout_seconds_bucket", (("le", "+Inf"), ("worker", "1"))] == 2
    assert found["reaktor_fanout_seconds_count", (("worker", "1"),)] == 2
    assert found["reaktor_fanout_seconds_sum", (("worker", "1"),)] == 9.003


def test_what_code_of_another_version_says_is_left_out() -> None:
    names = {name for name, _ in scraped(picture())}
    assert not any("unheard_of" in name or "commit_seconds" in name for name in names)


NETWORK = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        (("127.0.0.1", 1), [], True),
        (("::1", 1), [], True),
        (("::ffff:127.0.0.1", 1), [], True),
        (None, [], True),
        (("10.1.2.3", 1), [], True),
        (("192.0.2.1", 1), [], False),
        (("unix", 1), [], False),
        # A proxy on this machine that TRUSTED_PROXIES does not name hands everybody on as loopback.
        (("127.0.0.1", 1), [(b"x-forwarded-for", b"203.0.113.9")], False),
        (("127.0.0.1", 1), [(b"forwarded", b"for=203.0.113.9")], False),
        (("10.1.2.3", 1), [(b"x-forwarded-for", b"10.1.2.3")], True),
    ],
)
def test_insiders_are_this_machine_its_own_processes_and_the_allowed_networks(client, headers, expected) -> None:
    assert is_insider({"client": client, "headers": headers}, NETWORK) is expected


async def asked(application: MetricsApplication, method: str = "GET", client: str = "127.0.0.1") -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/metrics", "client": (client, 1), "headers": []}
    await application(scope, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_strangers_find_nothing_and_insiders_the_figures() -> None:
    async def source() -> dict[str, Any]:
        return picture()

    application = MetricsApplication(source)
    assert (await asked(application, client="192.0.2.7"))[0] == 404
    assert (await asked(application, method="POST"))[0] == 405
    assert (await asked(application, method="HEAD")) == (200, b"")
    assert b'reaktor_joins_total{worker="1"} 3.0' in (await asked(application))[1]


async def test_scrapes_that_come_together_share_one_answer_and_a_failure_is_not_kept() -> None:
    asked_for = 0
    may_answer = asyncio.Event()

    async def source() -> dict[str, Any]:
        nonlocal asked_for
        asked_for += 1
        await may_answer.wait()
        if asked_for == 1:
            raise UnavailableError("The supervisor does not answer.")
        return picture()

    application = MetricsApplication(source)
    together = [asyncio.create_task(asked(application)) for _ in range(5)]
    await asyncio.sleep(0)
    may_answer.set()
    assert {status for status, _ in await asyncio.gather(*together)} == {503}
    assert asked_for == 1
    assert (await asked(application))[0] == 200
