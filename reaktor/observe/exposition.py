"""The metrics by name: what each of the figures in reaktor.observe.metrics is called, and what it means.

In comes a picture, {"workers": {slot: Metrics}, "server": Metrics, "host"?: its name}; out go bytes in Prometheus'
text format. A worker's figures carry `worker` (its slot, all incarnations together); what adds up over workers is also
there as `reaktor_cluster_…`, without that label. Figures that are not in the table are left out, so that workers of two
versions can be side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from reaktor import __version__
from reaktor.observe.metrics import MESSAGES, SECONDS, Metrics, added

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """One metric. `label`: the name of what stands behind the colon in its key. `adds_up`: over workers, too."""

    key: str
    help: str
    label: str = ""
    adds_up: bool = True


COUNTERS = (
    MetricDescription("joins", "Times that a session entered a channel."),
    MetricDescription("messages_in", "Messages stored."),
    MetricDescription("messages_out", "Frames handed to sessions: one event to one session is one."),
    MetricDescription(
        "resyncs", "Times that a worker asked the authority for a snapshot; one at each start is normal."
    ),
    MetricDescription("replica_junk", "Bus messages that the worker's copy of the membership could not read."),
    MetricDescription(
        "commands_dropped", "Commands on the membership let go unsent, since the bus was away for too long."
    ),
    MetricDescription(
        "authority_missing_seconds",
        "Seconds in which the worker followed no authority; gaps of up to 3 s are not counted.",
        adds_up=False,
    ),
    MetricDescription("feed_repairs", "Times that missing events of a channel were read from the database."),
    MetricDescription("slow_sessions_closed", "Sessions ended because they did not read what they were sent."),
    MetricDescription("bus_dropped", "Bus messages dropped because a worker fell behind with reading; it resyncs."),
    MetricDescription("search_indexed", "Messages that went into the search index, new and changed ones."),
    MetricDescription("broadcast_dropped", "Events that did not fit into the queue to the bus; readers compare heads."),
    MetricDescription("host_relays_sent", "Requests relayed to other hosts, which let them in."),
    MetricDescription(
        "host_relays_failed", "Requests for sessions of another host that could not be relayed: the client starts anew."
    ),
    MetricDescription("host_relays_served", "Requests that other hosts relayed, and that this worker served."),
    MetricDescription("host_relays_broken", "Relayed requests that did not come in whole, or not as they were signed."),
    MetricDescription("mails_sent", "Mails that the mail server took."),
    MetricDescription("mails_failed", "Attempts to send a mail that failed; it is tried again."),
    MetricDescription("mails_given_up", "Mails that were not sent for good; the admin shows them."),
    MetricDescription("notices", "Pushes by how they went; dropped and failed: notices.", label="outcome"),
    MetricDescription("rate_limited", "Requests refused by a limit.", label="limit"),
    MetricDescription(
        "worker_restarts", "Workers started in this slot after the first one, reloads included.", adds_up=False
    ),
    MetricDescription("worker_crashes", "Workers of this slot that ended without being told to."),
)
GAUGES = (
    MetricDescription("sessions", "Live sessions.", label="transport"),
    MetricDescription("queue", "What waits: posts, database calls, bus messages.", label="queue"),
    MetricDescription("memory_bytes", "Resident memory of the worker process."),
    MetricDescription(
        "replica_lag", "Changes that the authority has made and the worker's copy had not seen.", adds_up=False
    ),
    MetricDescription("workers_ready", "Workers that take connections."),
)
FLAGS = (
    MetricDescription("bus_up", "1 while the bus takes what the worker says."),
    MetricDescription("database_up", "1 while the database answers the worker."),
)
HISTOGRAMS = (
    (MetricDescription("fanout_seconds", "From a commit to the bytes of its events handed to the sockets."), SECONDS),
    (
        MetricDescription("commit_seconds", "How long a transaction of the writer took, until the loop knew of it."),
        SECONDS,
    ),
    (MetricDescription("commit_messages", "Posts in one transaction of the writer."), MESSAGES),
)
SERVER_COUNTERS = (
    MetricDescription("authority_commands", "Commands on the live membership decided."),
    MetricDescription("authority_junk", "Bus messages that the authority could not read or decide."),
    MetricDescription(
        "authority_dropped", "Bus messages that did not fit into the authority's inbox; they are sent again."
    ),
    MetricDescription("authority_unpublished", "Batches of changes that the bus did not take; replicas resync."),
    MetricDescription("lease_takings", "Times that this server took the lease to decide; one at each start."),
    MetricDescription("host_relays_let_in", "Requests of other hosts handed to workers."),
    MetricDescription("host_relays_refused", "Connections to ADVERTISE that were refused.", label="reason"),
    MetricDescription("connections_accepted", "Connections accepted by the dispatcher."),
    MetricDescription("connections_passed", "Connections passed to workers."),
    MetricDescription("connections_refused", "Connections answered with 503 by the dispatcher."),
)
SERVER_GAUGES = (
    MetricDescription("authority_inbox", "Bus messages that the authority has not read yet."),
    MetricDescription("authority_sessions", "Sessions in the live membership, those in their grace included."),
    MetricDescription("authority_users", "Users in the live membership."),
    MetricDescription("authority_channels", "Channels with members."),
    MetricDescription("hosts_alive", "Hosts of the database whose row is renewed, this one among them."),
    MetricDescription("authority_hosts", "Hosts that the authority hears; only where it decides."),
    MetricDescription(
        "lease_holder", "1: the host that has the right to decide, as the database names it to this one.", label="host"
    ),
    MetricDescription("lease_age_seconds", "How long ago the lease was renewed; 0 on SQLite, where it need not be."),
    MetricDescription("connections_waiting", "Connections held until a worker takes them."),
    MetricDescription("supervisor_memory_bytes", "Resident memory of the supervisor process."),
)
SERVER_FLAGS = (
    MetricDescription("authority_serving", "1 while the authority decides."),
    MetricDescription("standby_in_step", "1 while this server could take over; only where it does not decide."),
)


class Picture(Collector):
    """A picture as prometheus_client wants it."""

    def __init__(self, picture: Mapping[str, Any]) -> None:
        self._workers: dict[str, Metrics] = picture["workers"]
        self._server: Metrics = picture["server"]
        self._host: str = picture.get("host", "")

    def collect(self) -> Iterator[Metric]:
        workers = self._workers
        build = {"version": __version__, **({"host": self._host} if self._host else {})}
        yield InfoMetricFamily("reaktor_build", "The release that answers.", value=build)
        yield from _families(COUNTERS, "counters", CounterMetricFamily, workers)
        yield from _families(GAUGES, "gauges", GaugeMetricFamily, workers)
        yield from _families(FLAGS, "flags", GaugeMetricFamily, workers)
        for description, bounds in HISTOGRAMS:
            family = HistogramMetricFamily(f"reaktor_{description.key}", description.help, labels=["worker"])
            for slot, metrics in workers.items():
                if (values := metrics["histograms"].get(description.key)) and len(values) == len(bounds) + 2:
                    family.add_metric([slot], _cumulative(bounds, values), values[-1])
            yield family
        whole = {"": added(workers.values())}
        summed = [description for description in COUNTERS if description.adds_up]
        yield from _families(summed, "counters", CounterMetricFamily, whole, prefix="reaktor_cluster_", own=())
        summed = [description for description in GAUGES if description.adds_up]
        yield from _families(summed, "gauges", GaugeMetricFamily, whole, prefix="reaktor_cluster_", own=())
        server = {"": self._server}
        yield from _families(SERVER_COUNTERS, "counters", CounterMetricFamily, server, own=())
        yield from _families(SERVER_GAUGES, "gauges", GaugeMetricFamily, server, own=())
        yield from _families(SERVER_FLAGS, "flags", GaugeMetricFamily, server, own=())


def _families(
    descriptions: Iterable[MetricDescription],
    section: str,
    kind: Callable[..., Any],
    of: Mapping[str, Metrics],
    *,
    prefix: str = "reaktor_",
    own: tuple[str, ...] = ("worker",),
) -> Iterator[Metric]:
    for description in descriptions:
        labels = [*own, description.label] if description.label else [*own]
        family = kind(prefix + description.key, description.help, labels=labels)
        for name, metrics in of.items():
            for key, value in metrics[section].items():
                stem, _, label = key.partition(":")
                if stem == description.key and bool(label) == bool(description.label):
                    family.add_metric([*([name] if own else []), *([label] if label else [])], float(value))
        yield family


def _cumulative(bounds: tuple[float, ...], values: list[float]) -> list[tuple[str, float]]:
    """Each bound with everything up to it, as the format has it."""
    seen = 0.0
    buckets = []
    for bound, count in zip([*map(str, map(float, bounds)), "+Inf"], values, strict=False):
        seen += count
        buckets.append((bound, seen))
    return buckets


def exposition(picture: Mapping[str, Any]) -> bytes:
    """The picture in Prometheus' text format."""
    return generate_latest(Picture(picture))
