"""A bar for people, lines for logs."""

from __future__ import annotations

from io import StringIO

from django.core.management.base import OutputWrapper

from reaktor.observe.progress import Progress, for_command


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_each_ten_seconds_and_the_sum() -> None:
    out, clock = StringIO(), Clock()
    progress = Progress(out.write, "Messages", 100, is_terminal=False, clock=clock)
    for clock.now in range(1, 26):
        progress.advance(4)
    progress.done()
    assert out.getvalue() == "Messages: 40 of 100\nMessages: 80 of 100\nMessages: 100 in 25.0 s (4/s)\n"


def test_a_terminal_gets_one_line_that_grows() -> None:
    out, clock = StringIO(), Clock()
    progress = Progress(out.write, "Messages", 200, is_terminal=True, clock=clock)
    clock.now = 1.0
    progress.advance(100)
    assert out.getvalue() == f"\rMessages [{'#' * 15}{'.' * 15}]  50% 100/200"
    clock.now = 2.0
    progress.done()
    assert out.getvalue().endswith("\r\x1b[KMessages: 100 in 2.0 s (50/s)\n")


def test_a_commands_own_output_adds_no_lines() -> None:
    out = StringIO()
    for_command(OutputWrapper(out), "Rows", None).done()
    assert out.getvalue().startswith("Rows: 0 in ")
    assert out.getvalue().count("\n") == 1
