"""Members reach each other, and can be cut off each other: with a refusal, or without a word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.network import Member, Network, RefusedError, network

LISTEN = """
import socket, sys
server = socket.create_server((sys.argv[1], 9))
print(flush=True)
while True:
    server.accept()
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 1).close()
    print("reached")
except TimeoutError:
    print("silence")
except OSError:
    print("refused")
"""


@pytest.fixture
def made() -> Iterator[Network]:
    try:
        with network() as found:
            yield found
    except RefusedError as error:
        pytest.skip(str(error))


def reaches(member: Member, address: str) -> str:
    words = [*member.enter, sys.executable, "-c", CONNECT, address]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def test_two_members_are_cut_off_each_other_and_healed(made: Network) -> None:
    a, b, c = made.add("a"), made.add("b"), made.add("c")
    listening = subprocess.Popen(
        [*a.enter, sys.executable, "-c", LISTEN, a.address],
        stdout=subprocess.PIPE,
    )
    try:
        assert listening.stdout is not None
        listening.stdout.readline()
        assert reaches(b, a.address) == "reached"
        for is_silent, found in ((True, "silence"), (False, "refused")):
            made.cut(a, b, is_silent=is_silent)
            assert reaches(b, a.address) == found
            assert reaches(c, a.address) == reaches(made.outside, a.address) == "reached"
            made.heal(a, b)
            assert reaches(b, a.address) == "reached"
    finally:
        listening.kill()
        listening.wait(10)


def test_nothing_of_it_is_left(made: Network) -> None:
    made.add("a")
    made.tear_down()
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert made._switch not in listed
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    assert made._link not in links
