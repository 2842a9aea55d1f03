"""What is live now, for pages: sessions and members from this process's replica, which knows those of all workers.

Without a runtime (a management command, a unit test) nobody is live. Read in request threads: everything is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chat.domain.events import MemberData
from chat.domain.ids import UserId
from chat.live import runtime
from reaktor.errors import UnavailableError

LIVE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveSessionRow:
    """One live session. `status` is "gone" while it lingers; `worker` is host.life.slot.incarnation."""

    transport: str
    address: str
    since: datetime
    worker: str
    status: str
    channels: int


def sessions_of(user_id: object) -> list[LiveSessionRow]:
    """The user's live sessions on all workers, oldest first."""
    running = runtime.current()
    if running is None:
        return []
    return [
        LiveSessionRow(
            transport=entry.info.transport.value,
            address=entry.info.address,
            since=datetime.fromtimestamp(entry.info.since, UTC),
            worker=str(entry.info.worker),
            status=entry.status.value if entry.is_live else "gone",
            channels=len(entry.channels),
        )
        for entry in running.replica.sessions_of(UserId(str(user_id)))
    ]


def channels_of(user_id: object) -> list[str]:
    """The keys of the channels in which the user is a member now."""
    running = runtime.current()
    return sorted(running.replica.users_channels(UserId(str(user_id)))) if running is not None else []


def members_of(key: str) -> tuple[Sequence[MemberData], int]:
    """Who is in the channel now, online first: the first page, and how many there are."""
    running = runtime.current()
    if running is None:
        return [], 0
    try:
        shown = running.members_for_view(key, LIVE_TIMEOUT_S)["results"]
    except UnavailableError:
        shown = []  # the page has more to say than that
    return shown, running.online_count(key)
