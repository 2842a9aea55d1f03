"""The variables of how long messages are kept, in memory and in the database. Pure."""

from __future__ import annotations

from reaktor.config.model import Delivery, Retention
from reaktor.config.variables import Reader


def read_delivery(reader: Reader) -> Delivery:
    reader.section = "Memory"
    default = Delivery()
    return Delivery(
        recent_messages=reader.number(
            "RECENT_MESSAGES",
            default.recent_messages,
            "How many changed messages of one channel a worker remembers. Who comes back is sent from memory what "
            "it missed, as far as that reaches, and the rest from the database.",
            unit="messages",
        ),
        recent_bytes=reader.number(
            "RECENT_BYTES", default.recent_bytes, "How much memory those of one channel may take.", unit="bytes"
        ),
        recent_total_bytes=reader.number(
            "RECENT_TOTAL_BYTES",
            default.recent_total_bytes,
            "How much memory those of all channels of one worker may take. The channels in which nothing was said "
            "for longest are forgotten first.",
            unit="bytes",
        ),
    )


def read_retention(reader: Reader) -> Retention:
    reader.section = "Retention"
    default = Retention()
    return Retention(
        days=reader.number(
            "RETENTION_DAYS",
            default.days,
            "Messages that are older are deleted for good. A channel may have a rule of its own. 0: none are.",
            unit="days",
            minimum=0,
            maximum=36_500,
        ),
        messages=reader.number(
            "RETENTION_MESSAGES",
            default.messages,
            "Only so many of the newest messages of a channel are kept. A channel may have a rule of its own. "
            "0: all are.",
            unit="messages",
            minimum=0,
        ),
        interval_s=reader.seconds(
            "RETENTION_INTERVAL",
            default.interval_s,
            "How often the supervisor applies these rules. 0: only you do, by hand.",
        ),
    )
