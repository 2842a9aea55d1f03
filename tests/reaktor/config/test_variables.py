"""How one variable is read and shown."""

from __future__ import annotations

from reaktor.config.variables import format_duration, parse_duration_s


def test_durations_are_shown_as_they_are_read() -> None:
    for seconds in (0, 0.25, 1, 90, 600, 7200, 86_400 * 7):
        assert parse_duration_s(format_duration(seconds)) == seconds
