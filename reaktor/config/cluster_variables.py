"""The variables of the processes of one host, and of how other hosts reach it. Counts CPUs, looks for files."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from reaktor.addresses import read_endpoint
from reaktor.config.model import Cluster, RelayTls
from reaktor.config.variables import Reader


def read_cluster(reader: Reader) -> Cluster:
    reader.section = "Processes"
    default = Cluster()
    cluster = Cluster(
        bind=reader.text(
            "BIND",
            default.bind,
            "The address to listen on; `::` for IPv6 and IPv4, several separated by commas. With the local "
            "settings, which `make run` has, the default is `127.0.0.1`: this machine alone.",
            unit="address",
        ),
        port=reader.number(
            "PORT",
            default.port,
            "The port to listen on. Commands that ask a running server find it without PORT if it is the only "
            "one in DATA_DIR.",
            unit="port",
            maximum=65_535,
        ),
        is_port_given=reader.is_given("PORT"),
        advertise=_advertise(reader),
        relay_tls=_relay_tls(reader),
        workers=reader.number(
            "WORKERS",
            max((os.cpu_count() or 2) - 1, 1),
            "How many worker processes run. More than one need a Redis.",
            maximum=256,
            shown="CPUs less one",
        ),
        are_workers_given=reader.is_given("WORKERS"),
        spare_workers=reader.number(
            "SPARE_WORKERS",
            default.spare_workers,
            "How many booted processes wait to take the place of a worker that dies. Each costs the memory of "
            "an idle worker.",
            minimum=0,
            maximum=16,
        ),
        trusted_proxies=reader.networks(
            "TRUSTED_PROXIES",
            "Your proxies in front. X-Forwarded-For, X-Forwarded-Proto and X-Request-ID count only if they "
            "come from one of these. Needed if PUBLIC_URL is HTTPS.",
        ),
        hang_timeout_s=reader.seconds(
            "HANG_TIMEOUT", default.hang_timeout_s, "A worker that says nothing for so long is ended and replaced."
        ),
        drain_s=reader.seconds(
            "DRAIN", default.drain_s, "How long a worker that is to end may take to tell its sessions."
        ),
        hold_s=reader.seconds(
            "HOLD", default.hold_s, "How long a new connection waits for a worker. After that it gets 503."
        ),
        term_timeout_s=reader.seconds(
            "TERM_TIMEOUT",
            default.term_timeout_s,
            "How long a worker may take to end after SIGTERM. After that it gets SIGKILL.",
        ),
        boot_failures=reader.number(
            "BOOT_FAILURES",
            default.boot_failures,
            "After so many failed starts in a row a worker is given up. If no other worker serves, the server ends.",
            maximum=1_000,
        ),
    )
    if cluster.hang_timeout_s <= 2 * cluster.beat_interval_s:
        reader.problems.append("HANG_TIMEOUT must be more than two beats (2s), else healthy workers are ended")
    if cluster.advertise and read_endpoint(cluster.advertise)[1] == cluster.port:
        reader.problems.append(f"ADVERTISE={cluster.advertise!r} needs another port than PORT, which is for clients")
    return cluster


def _advertise(reader: Reader) -> str:
    """ADVERTISE as it is written; empty where it is none."""
    given = reader.text(
        "ADVERTISE",
        "",
        "Where other hosts of this chat bring requests for sessions of this one: an address of this host in your "
        "private network, and a port of its own, as in `10.0.0.5:8001` or `[fd00::5]:8001`. Never open it to the "
        "internet. Without it nothing is relayed to this host.",
        unit="address:port",
    )
    try:
        address = read_endpoint(given)[0] if given else ""
    except ValueError:
        reader.problems.append(f"ADVERTISE={given!r} is not an address and a port such as 10.0.0.5:8001")
        return ""
    if given and ipaddress.ip_address(address).is_unspecified:
        reader.problems.append(f"ADVERTISE={given!r} is no address that other hosts can connect to")
        return ""
    return given


def _relay_tls(reader: Reader) -> RelayTls | None:
    """None where no file is named."""
    given = {
        "RELAY_CERT_FILE": reader.text(
            "RELAY_CERT_FILE",
            "",
            "For TLS between hosts: the certificate of this one (a file in PEM), which must name the address in "
            "ADVERTISE. All hosts have TLS, or none. `clusterctl reload` reads the files again.",
            unit="path",
        ),
        "RELAY_KEY_FILE": reader.text(
            "RELAY_KEY_FILE", "", "The key of RELAY_CERT_FILE, without a password (a file in PEM).", unit="path"
        ),
        "RELAY_CA_FILE": reader.text(
            "RELAY_CA_FILE",
            "",
            "Who signed the certificates of all hosts (a file in PEM). No other authority is believed.",
            unit="path",
        ),
    }
    if not any(given.values()):
        return None
    for name, path in given.items():
        if not path:
            reader.problems.append(f"{name} is missing: {', '.join(given)} go together")
        elif not Path(path).is_file():
            reader.problems.append(f"{name}: there is no file {path}")
    return RelayTls(*given.values())
