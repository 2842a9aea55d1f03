"""The metrics by name: what each of the figures in reaktor.observe.measures is called, and what it means.

In comes a picture, {"workers": {slot: Measures}, "server": Measures}; out go bytes in Prometheus' text format. A
worker's figures carry `worker` (its slot, all incarnations together); what adds up over workers is also there as
`reaktor_cluster_…`, without that label. Figures that are not in the table are left out, so that workers of two
versions can be side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from reaktor.observe.measures import MESSAGES, SECONDS, Measures, added

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric. `label`: the name of what stands behind the colon in its key. `adds_up`: over workers, too."""

    key: str
    help: str
    label: str = ""
    adds_up: bool = True


COUNTERS = (
    Figure("joins", "Times that a session entered a channel."),
    Figure("messages_in", "Messages stored."),
    Figure("messages_out", "Frames handed to sessions: one event to one session is one."),
    Figure("resyncs", "Times that a worker asked the authority for a snapshot; one at each start is normal."),
    Figure("feed_repairs", "Times that missing events of a channel were read from the database."),
    Figure("slow_sessions_closed", "Sessions ended because they did not read what they were sent."),
    Figure("bus_dropped", "Bus messages dropped because a worker fell behind with reading; it resyncs."),
    Figure("broadcast_dropped", "Events that did not fit into the queue to the bus; readers compare heads."),
    Figure("rate_limited", "Requests refused by a limit.", label="limit"),
    Figure("worker_restarts", "Workers started in this slot after the first one, reloads included.", adds_up=False),
    Figure("worker_crashes", "Workers of this slot that ended without being told to."),
)
GAUGES = (
    Figure("sessions", "Live sessions.", label="transport"),
    Figure("queue", "What waits: posts, database calls, bus messages.", label="queue"),
    Figure("memory_bytes", "Resident memory of the worker process."),
    Figure("replica_lag", "Changes that the authority has made and the worker's copy had not seen.", adds_up=False),
    Figure("workers_ready", "Workers that take connections."),
)
FLAGS = (
    Figure("bus_up", "1 while the bus takes what the worker says."),
    Figure("database_up", "1 while the database answers the worker."),
)
HISTOGRAMS = (
    (Figure("fanout_seconds", "From a commit to the bytes of its events handed to the sockets."), SECONDS),
    (Figure("commit_seconds", "How long a transaction of the writer took, its wait for the thread included."), SECONDS),
    (Figure("commit_messages", "Posts in one transaction of the writer."), MESSAGES),
)
SERVER_COUNTERS = (
    Figure("authority_commands", "Commands on the live membership decided."),
    Figure("authority_junk", "Bus messages that the authority could not read or decide."),
    Figure("authority_dropped", "Bus messages that did not fit into the authority's inbox; they are sent again."),
    Figure("authority_unpublished", "Batches of changes that the bus did not take; replicas resync."),
    Figure("connections_accepted", "Connections accepted by the dispatcher."),
    Figure("connections_passed", "Connections passed to workers."),
    Figure("connections_refused", "Connections answered with 503 by the dispatcher."),
)
SERVER_GAUGES = (
    Figure("authority_inbox", "Bus messages that the authority has not read yet."),
    Figure("authority_sessions", "Sessions in the live membership, those in their grace included."),
    Figure("authority_users", "Users in the live membership."),
    Figure("authority_channels", "Channels with members."),
    Figure("connections_waiting", "Connections held until a worker takes them."),
    Figure("supervisor_memory_bytes", "Resident memory of the supervisor process."),
)
SERVER_FLAGS = (Figure("authority_serving", "1 while the authority decides."),)


class Picture(Collector):
    """A picture as prometheus_client wants it."""

    def __init__(self, picture: Mapping[str, Any]) -> None:
        self._workers: dict[str, Measures] = picture["workers"]
        self._server: Measures = picture["server"]

    def collect(self) -> Iterator[Metric]:
        workers = self._workers
        yield from _families(COUNTERS, "counters", CounterMetricFamily, workers)
        yield from _families(GAUGES, "gauges", GaugeMetricFamily, workers)
        yield from _families(FLAGS, "flags", GaugeMetricFamily, workers)
        for figure, bounds in HISTOGRAMS:
            family = HistogramMetricFamily(f"reaktor_{figure.key}", figure.help, labels=["worker"])
            for slot, measures in workers.items():
                if (values := measures["histograms"].get(figure.key)) and len(values) == len(bounds) + 2:
                    family.add_metric([slot], _cumulative(bounds, values), values[-1])
            yield family
        whole = {"": added(workers.values())}
        summed = [figure for figure in COUNTERS if figure.adds_up]
        yield from _families(summed, "counters", CounterMetricFamily, whole, prefix="reaktor_cluster_", own=())
        summed = [figure for figure in GAUGES if figure.adds_up]
        yield from _families(summed, "gauges", GaugeMetricFamily, whole, prefix="reaktor_cluster_", own=())
        server = {"": self._server}
        yield from _families(SERVER_COUNTERS, "counters", CounterMetricFamily, server, own=())
        yield from _families(SERVER_GAUGES, "gauges", GaugeMetricFamily, server, own=())
        yield from _families(SERVER_FLAGS, "flags", GaugeMetricFamily, server, own=())


def _families(
    figures: Iterable[Figure],
    section: str,
    kind: Callable[..., Any],
    of: Mapping[str, Measures],
    *,
    prefix: str = "reaktor_",
    own: tuple[str, ...] = ("worker",),
) -> Iterator[Metric]:
    for figure in figures:
        labels = [*own, figure.label] if figure.label else [*own]
        family = kind(prefix + figure.key, figure.help, labels=labels)
        for name, measures in of.items():
            for key, value in measures[section].items():
                stem, _, label = key.partition(":")
                if stem == figure.key and bool(label) == bool(figure.label):
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
