"""The variables of the Redis: its URL under all the names that it has, its TLS, its Sentinels. Looks for files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from reaktor.config.redis_at import SENTINEL_PORT, RedisAt
from reaktor.config.urls import REDIS_SCHEMES, normal_service_url
from reaktor.config.variables import Reader
from reaktor.hosts import normal_host


def read_redis(reader: Reader) -> RedisAt | None:
    """By its URL or, where Sentinels are named, by whoever they name; None: none is named."""
    reader.section = "Storage"
    url = _redis_url(reader)
    at = RedisAt(
        url or "redis://",
        ca_file=reader.text(
            "REDIS_CA_FILE",
            "",
            "Who signed the certificate of a Redis with TLS (a file in PEM), if the system does not know them. The "
            "certificate must name the host, or the address, that is connected to.",
            unit="path",
        ),
        sentinels=reader.places(
            "REDIS_SENTINELS",
            "The Sentinels that know which Redis is the master: `host:26379,host:26379`. REDIS_URL then names "
            "no host, but how to log in, if one has to: `redis://user:password@`, or `rediss://…` for TLS to "
            "all of them.",
            SENTINEL_PORT,
        ),
        master=reader.text("REDIS_SENTINEL_MASTER", "mymaster", "The name of that master among the Sentinels."),
        sentinel_password=reader.text(
            "REDIS_SENTINEL_PASSWORD", "", "The password of the Sentinels, if they have one.", secret=True
        ),
    )
    _check(reader, at)
    return at if url or at.sentinels else None


def _check(reader: Reader, at: RedisAt) -> None:
    if at.ca_file and not at.is_tls:
        reader.problems.append("REDIS_CA_FILE is for a Redis with TLS: begin REDIS_URL with rediss://, or give none")
    elif at.ca_file and not Path(at.ca_file).is_file():
        reader.problems.append(f"REDIS_CA_FILE: there is no file {at.ca_file}")
    if not at.sentinels:
        for name in ("REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_PASSWORD"):
            if reader.is_given(name):
                reader.problems.append(f"{name} is nothing without REDIS_SENTINELS, such as host:26379,host:26379")
        return
    parts = urlsplit(at.url)
    if parts.scheme == "unix" or parts.netloc.rpartition("@")[2]:
        reader.problems.append(
            "REDIS_SENTINELS say where the Redis is: take the host out of REDIS_URL (or REDIS_HOST away), as in "
            "redis://user:password@/0"
        )
    if parts.query:
        reader.problems.append("REDIS_URL can have nothing behind a ? where REDIS_SENTINELS are given: take it out")


def _redis_url(reader: Reader) -> str | None:
    """REDIS_URL, else the names that the replaced server read: REDIS_HOST/PORT, REDIS_PORT_6379_TCP_ADDR/_PORT."""
    url = reader.service_url(
        "REDIS_URL",
        "The Redis that the workers talk over: `redis://host:6379/0`, with a user and TLS "
        "`rediss://user:password@host:6379/0`. It needs to keep nothing. Servers of different databases may share "
        "it. A password is written as in DATABASE_URL.",
        REDIS_SCHEMES,
        shown="an embedded one",
    )
    host = reader.text("REDIS_HOST", "", "The host of that Redis, if REDIS_URL is not given.", unit="host")
    # Container links set REDIS_PORT to "tcp://address:port", which is no number.
    named = reader.text(
        "REDIS_PORT", "", "The port of that Redis, if REDIS_URL is not given.", unit="port", shown="6379"
    )
    linked = reader.text(
        "REDIS_PORT_6379_TCP_ADDR", "", "The host, under the name that container links give it.", unit="host"
    )
    linked_port = reader.text(
        "REDIS_PORT_6379_TCP_PORT", "6379", "The port, under the name that container links give it.", unit="port"
    )
    port = named if named.isdigit() else linked_port
    if url or not (host or linked):
        return url or None
    try:
        return normal_service_url(f"redis://{normal_host(host or linked)}:{port}/0", REDIS_SCHEMES)
    except ValueError:
        reader.problems.append(
            f"{'REDIS_HOST' if host else 'REDIS_PORT_6379_TCP_ADDR'}={host or linked!r} is not a host name or "
            f"address, or {port!r} not its port"
        )
        return None
