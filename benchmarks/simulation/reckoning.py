"""What each part of a chat of several hosts uses, reckoned from what one of each thing costs.

Costs are measured (parts.py), a Load is what people do, a Size is how many hosts they do it on. Pure.
Everything is spread evenly: sessions over workers, channels over sessions, what is done over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEATS_PER_WHOLE = 10
"""Of so many beats of a worker one carries all heads (chat/membership/beats.py)."""
EARLY_BEATS_PER_S = 50
"""Beats that busy channels cause come no faster (EARLY_GAP_S in chat/membership/feeder.py)."""
HOST_BEATS_PER_S = 2
WORKER_SHARE = 1 / 3
"""Of what a host of one worker says and asks all the time, about so much is the worker's."""
MOST = 1e12
"""Nobody has so many people."""


@dataclass(frozen=True)
class Costs:
    """Processor time of one, in microseconds; `…_s` of each second, whatever comes to pass. Memory in KiB.

    A worker: `worker_s` with nobody there, `feed_s` of one open channel, `ping` of a session; `post` and `delivery`;
    `heard` is an event of another worker; `change` one of the membership, whoever made it; `connect` and `join` of its
    own sessions, with their ends.
    The supervisor that decides: `holder_s`, each `beat` of a worker or host, each `head` in it, each `command`. Another
    one: `standby_s`, and each change that it has `followed`.
    Redis: `redis_host_s`; `publish` of what is said, and `heard_by` for each that hears it.
    PostgreSQL: `sql_host_s`, `sql_feed_s` for a channel that a worker has open, `sql_post`, `sql_connect`, `sql_join`.
    """

    worker_s: float
    feed_s: float
    ping: float
    post: float
    delivery: float
    heard: float
    change: float
    connect: float
    join: float
    holder_s: float
    standby_s: float
    beat: float
    head: float
    command: float
    followed: float
    redis_host_s: float
    publish: float
    heard_by: float
    sql_host_s: float
    sql_feed_s: float
    sql_post: float
    sql_connect: float
    sql_join: float
    worker_kib: float
    session_kib: float
    picture_kib: float
    supervisor_kib: float


@dataclass(frozen=True)
class Load:
    """What all people together do, and how many are in a channel. `pings`: a second, of one session."""

    sessions: float
    channels: float
    members: float
    posts_per_s: float
    visits_per_s: float
    joins: float
    pings: float = 0.0

    @property
    def commands_per_s(self) -> float:
        """A visit is a Connect, a Join for each channel, and a Disconnect."""
        return self.visits_per_s * (2 + self.joins)

    @property
    def told_per_s(self) -> float:
        """Frames that tell members of others who come and go."""
        return 2 * self.visits_per_s * self.joins * (self.members - 1)

    @property
    def deliveries_per_s(self) -> float:
        return self.posts_per_s * (self.members - 1)


@dataclass(frozen=True)
class Size:
    """`workers` of each host."""

    hosts: int
    workers: int

    @property
    def all_workers(self) -> int:
        return self.hosts * self.workers

    def present(self, members: float) -> float:
        """How many workers have somebody of a channel."""
        return self.all_workers * (1 - (1 - 1 / self.all_workers) ** members)


@dataclass(frozen=True)
class Demand:
    """Cores in use: one worker, the supervisor that decides, another one, Redis, PostgreSQL. Memory of a host."""

    worker: float
    holder: float
    standby: float
    redis: float
    postgresql: float
    memory_mib: float


def demand(costs: Costs, load: Load, size: Size) -> Demand:
    workers, present = size.all_workers, size.present(load.members)
    feeds = load.channels * present / workers
    commands, posts = load.commands_per_s, load.posts_per_s
    heard = posts * (present - 1)
    """Events of other workers, in all workers together."""
    hosts = size.hosts * (1 - WORKER_SHARE + size.workers * WORKER_SHARE)
    """In hosts of one worker."""
    heads = min(posts * present / workers, feeds * EARLY_BEATS_PER_S) + feeds / BEATS_PER_WHOLE
    frames = load.deliveries_per_s + load.told_per_s
    worker = (
        costs.worker_s
        + feeds * costs.feed_s
        + load.sessions / workers * load.pings * costs.ping
        + (posts * costs.post + heard * costs.heard + frames * costs.delivery) / workers
        + commands * costs.change
        + load.visits_per_s * (costs.connect + load.joins * costs.join) / workers
    )
    beats = workers + HOST_BEATS_PER_S * size.hosts
    holder = costs.holder_s + beats * costs.beat + workers * heads * costs.head + commands * costs.command
    # A command is said to one, its change to all workers; a post to the workers that have somebody of the channel.
    redis = (
        costs.redis_host_s * hosts
        + posts * (costs.publish + present * costs.heard_by)
        + commands * (2 * costs.publish + (1 + workers) * costs.heard_by)
    )
    postgresql = (
        costs.sql_host_s * hosts
        + feeds * workers * costs.sql_feed_s
        + posts * costs.sql_post
        + load.visits_per_s * (costs.sql_connect + load.joins * costs.sql_join)
    )
    picture_kib = load.sessions * costs.picture_kib
    """Each process of a host has one."""
    worker_kib = costs.worker_kib + load.sessions / workers * costs.session_kib + picture_kib
    return Demand(
        worker=worker / 1e6,
        holder=holder / 1e6,
        standby=(costs.standby_s + commands * costs.followed) / 1e6,
        redis=redis / 1e6,
        postgresql=postgresql / 1e6,
        memory_mib=(size.workers * worker_kib + costs.supervisor_kib + picture_kib) / 1024,
    )


@dataclass(frozen=True)
class Habits:
    """What one of so many people does."""

    messages_per_minute: float
    channels: float
    members: float
    stay_minutes: float
    ping_s: float

    def load(self, users: float) -> Load:
        members = min(self.members, users)
        return Load(
            sessions=users,
            channels=users * self.channels / members,
            members=members,
            posts_per_s=users * self.messages_per_minute / 60,
            visits_per_s=users / self.stay_minutes / 60,
            joins=self.channels,
            pings=1 / self.ping_s,
        )


@dataclass(frozen=True)
class Machine:
    """What there is of everything beside the hosts' number."""

    memory_mib: float
    postgresql_cores: float


def shares(wanted: Demand, machine: Machine) -> dict[str, float]:
    """By part: how much of what it can do is used; 1 is all of it."""
    return {
        "workers": wanted.worker,
        "authority": wanted.holder,
        "Redis": wanted.redis,
        "PostgreSQL": wanted.postgresql / machine.postgresql_cores,
        "memory": wanted.memory_mib / machine.memory_mib,
    }


def full_first(found: Mapping[str, float]) -> str:
    return max(found, key=lambda part: found[part])


def holds(costs: Costs, habits: Habits, size: Size, machine: Machine) -> tuple[float, str]:
    """The most users, to within a thousandth, and the part that is full with one more."""
    few, many = 1.0, MOST
    while many / few > 1.001:
        middle = (few * many) ** 0.5
        is_too_many = max(shares(demand(costs, habits.load(middle), size), machine).values()) > 1
        few, many = (few, middle) if is_too_many else (middle, many)
    return few, full_first(shares(demand(costs, habits.load(many), size), machine))
