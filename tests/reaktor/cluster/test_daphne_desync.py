"""Where a request ends is never in doubt: what could be read in two ways is refused, and its connection ends."""

import contextlib
import re
import socket
import time

import httpx

from tests.support.desync import MARK, REFUSED, WHOLE

REFUSALS = {400, 408, 413, 414, 426, 431}
SLOW = (b"GET /who HTTP/1.1\r\nX: ", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def answers(server, requests):
    """{name: (statuses, all that was said)}: all at the same time, since some are waited for until they are cut."""
    found = {}
    with contextlib.ExitStack() as open_ones:
        lines = {}
        for name, said in requests.items():
            line = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15))
            line.sendall(said)
            lines[name] = line
        for name, line in lines.items():
            heard = b""
            with contextlib.suppress(ConnectionError):
                while part := line.recv(65_536):
                    heard += part
            found[name] = ([int(status) for status in ANSWER.findall(heard)], heard)
    return found


def test_what_could_end_in_two_places_is_refused_and_nothing_behind_it_is_read(server):
    for name, (statuses, heard) in answers(server, REFUSED).items():
        assert len(statuses) <= 1, (name, heard)
        assert set(statuses) <= REFUSALS, (name, heard)
        assert MARK not in heard, (name, heard)


def test_a_length_that_python_does_not_read_is_answered(server):
    """Its connection was cut without a word."""
    name = "CL, thousands of digits"
    [(statuses, _)] = answers(server, {name: REFUSED[name]}).values()
    assert statuses == [400]


def test_what_is_one_request_is_answered_once_whatever_stands_in_it(server):
    for name, (statuses, heard) in answers(server, WHOLE).items():
        assert statuses == [200], (name, heard)
        assert b"/who/" + MARK not in heard, (name, heard)


def test_requests_that_end_clearly_may_follow_each_other(server):
    """Else the two above would hold for a server that answers once."""
    first = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    last = b"GET /who/" + MARK + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    [(statuses, heard)] = answers(server, {"both": first + last}).values()
    assert len(statuses) == 2
    assert MARK in heard


def test_none_of_them_costs_an_error_that_nobody_foresaw(server):
    before = len(server.log.read_bytes())
    answers(server, REFUSED)
    said = server.log.read_bytes()[before:]
    assert b"Traceback" not in said, said
    assert b"Unhandled" not in said, said


def test_many_who_send_slowly_are_cut_and_cost_the_others_nothing(server):
    with contextlib.ExitStack() as open_ones:
        slow = []
        for number in range(200):
            line = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15))
            line.sendall(SLOW[number % 2])
            slow.append(line)
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{server.url}/who", timeout=5).status_code == 200
            assert time.monotonic() - began < 1.0
        for line in slow:
            with contextlib.suppress(ConnectionError):
                heard = line.recv(65_536)
                assert heard == b"" or heard.startswith(b"HTTP/1.1 408 ")
