"""Whether there is somebody at the terminal, as different kernels tell it."""

import os
import select

import pytest

from reaktor.cluster import signals


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
