"""Whether there is somebody at the terminal, as different kernels tell it."""

import os
import select
import signal

import pytest

from reaktor.cluster import signals
from reaktor.cluster.failures import SupervisorError
from tests.support.waiting import until


@pytest.fixture
def terminal(monkeypatch):
    """terminal(events): from now on there is one, and polling it gives these."""
    opened = os.open

    def play(events):
        class Poll:
            def register(self, descriptor, wanted):
                self.descriptor = descriptor

            def poll(self, timeout):
                return [(self.descriptor, events)] if events else []

        monkeypatch.setattr(signals.select, "poll", Poll)
        monkeypatch.setattr(signals.os, "open", lambda path, flags: opened(os.devnull, flags))

    return play


@pytest.mark.parametrize(
    ("events", "is_there"),
    [(0, True), (select.POLLHUP, False), (select.POLLERR, False), (select.POLLNVAL, True)],
    ids=["nothing to tell", "hung up", "broken", "macOS, which polls no terminal"],
)
def test_somebody_is_there_until_the_terminal_hangs_up(terminal, events, is_there):
    terminal(events)
    assert signals.has_terminal() is is_there


def test_a_terminal_that_cannot_be_opened_is_none(monkeypatch):
    def refuse(path, flags):
        raise OSError("Device not configured")

    monkeypatch.setattr(signals.os, "open", refuse)
    assert signals.has_terminal() is False


class Played:
    """A server that writes down its orders; a reload of it is refused."""

    def __init__(self):
        self.orders = []

    def post(self, verb):
        verb()

    def stop(self):
        self.orders.append("stop")

    def scale_by(self, difference):
        self.orders.append(difference)

    def reload(self):
        self.orders.append("reload")
        raise SupervisorError("A reload is running already.")


async def test_signals_become_orders_and_a_refused_one_is_a_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(signals, "has_terminal", lambda: False)
    server = Played()
    with signals.Signals(server):
        for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTERM):
            before = len(server.orders)
            os.kill(os.getpid(), number)
            await until(lambda: len(server.orders) > before)  # noqa: B023  awaited in the same turn
    assert server.orders == ["reload", 1, -1, "stop"]
    assert "SIGHUP: A reload is running already." in caplog.text


async def test_a_terminal_that_hangs_up_stops_the_server(terminal):
    # As if the tests were not run by nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    terminal(0)
    server = Played()
    with signals.Signals(server):
        terminal(select.POLLHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: server.orders)
    assert server.orders == ["stop"]
