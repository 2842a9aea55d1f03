"""What one process counts, put together: for its BEAT and clusterctl (status_of), and for /metrics (measures_of).

Reads the runtime's parts; called once a second and at each scrape. The names are explained in reaktor.observe.metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaktor.observe.measures import Measures

if TYPE_CHECKING:
    from chat.live.runtime import Runtime


def status_of(runtime: Runtime) -> dict[str, Any]:
    """Counters and positions for the heartbeat, /readyz and clusterctl."""
    position = runtime.replica.position
    return {
        "sessions": len(runtime.hub),
        "epoch": position.epoch if position else 0,
        "revision": position.revision if position else 0,
        "digest": runtime.replica.digest(),
        "in_step": runtime.follower.is_in_step,
        "bus": runtime.bus.is_up,
        "messages_in": runtime.writer.stored_total,
        "messages_out": runtime.hub.deliveries_total,
        "batches": runtime.writer.batches_total,
        "repairs": runtime.upkeep.repairs_total,
        "slow_closed": runtime.hub.slow_total,
        "measures": runtime.measures(),
    }


def measures_of(runtime: Runtime) -> Measures:
    """Counters, gauges, flags and histograms of this process."""
    waiting = runtime.database.waiting
    return {
        "counters": {
            "joins": runtime.hub.joins_total,
            "messages_in": runtime.writer.stored_total,
            "messages_out": runtime.hub.deliveries_total,
            "resyncs": runtime.follower.resyncs,
            "feed_repairs": runtime.upkeep.repairs_total,
            "slow_sessions_closed": runtime.hub.slow_total,
            "bus_dropped": runtime.bus.dropped,
            "broadcast_dropped": runtime.broadcast.dropped_total,
            **{f"rate_limited:{name}": count for name, count in runtime.limits.refused().items()},
        },
        "gauges": {
            **{f"sessions:{transport.value}": count for transport, count in runtime.hub.by_transport.items()},
            "queue:writer": len(runtime.writer),
            "queue:broadcast": len(runtime.broadcast),
            "queue:database_read": waiting["read"],
            "queue:database_write": waiting["write"],
        },
        "flags": {"bus_up": runtime.bus.is_up, "database_up": runtime.database.is_up},
        "histograms": {
            "fanout_seconds": runtime.broadcast.fanout_seconds.as_data(),
            "commit_seconds": runtime.writer.commit_seconds.as_data(),
            "commit_messages": runtime.writer.commit_messages.as_data(),
        },
    }
