"""The balancers in deploy/balancers, held to the server's own figures, and read by the programs they are for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from reaktor.config.model import EngineIO, NativeTimings
from tests.support.balancers import BALANCERS, SHIPPED, adapted, find
from tests.support.certificates import make_certificate

LONGEST_SILENCE_S = max(
    NativeTimings().ping_interval_s + NativeTimings().pong_timeout_s,
    EngineIO().ping_interval_s + EngineIO().ping_timeout_s,
)
CHECK = {
    "nginx": ("-t", "-q", "-c"),
    "haproxy": ("-c", "-q", "-f"),
    "caddy": ("adapt", "--validate", "--adapter", "caddyfile", "--config"),
}


@pytest.mark.parametrize("name", BALANCERS)
def test_its_program_takes_the_file(name: str, tmp_path: Path) -> None:
    executable = find(name)
    assert executable is not None, f"{name} is missing: scripts/test-requirements installs it"
    make_certificate(tmp_path)
    configuration = adapted(name, tmp_path, hosts=(8000, 8001), port=8443, insecure_port=8080)
    done = subprocess.run(
        [executable, *CHECK[name], str(configuration)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", BALANCERS)
def test_what_a_client_says_of_itself_is_overwritten(name: str) -> None:
    text = (SHIPPED / BALANCERS[name]).read_text()
    for header, value in (
        ("X-Forwarded-For", r"(\$remote_addr|%\[src\]|\{remote_host\})"),
        ("X-Forwarded-Proto", r"(\$scheme|https|\{scheme\})"),
        ("X-Request-ID", r"(\$request_id|%\[uuid\(\)\]|\{http\.request\.uuid\})"),
    ):
        assert re.search(rf"{header} {value}", text), header
    assert re.search(r'(Forwarded "";|del-header Forwarded|header_up -Forwarded)', text)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_it_waits_longer_than_the_heartbeat(name: str) -> None:
    text = (SHIPPED / BALANCERS[name]).read_text()
    waits = re.findall(r"(?:proxy_(?:read|send)_timeout|timeout (?:client|server|tunnel)) +(\d+)s", text)
    assert len(waits) == {"nginx": 2, "haproxy": 3}[name]
    assert min(map(int, waits)) > LONGEST_SILENCE_S


def test_caddy_sets_no_end_to_what_is_silent() -> None:
    text = (SHIPPED / BALANCERS["caddy"]).read_text()
    assert not re.search(r"\b(response_header_timeout|read_timeout|write_timeout|stream_timeout)\b", text)
