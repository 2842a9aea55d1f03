"""What is left of the limits where they are lifted."""

from __future__ import annotations

from reaktor.config.environment import config_from


def test_counts_that_were_asked_for_hold_without_limits_too() -> None:
    """LIMITS=off with MAX_SESSIONS_PER_USER=1 let ten sessions in."""
    lifted = config_from({"LIMITS": "off"}).limits
    assert (lifted.max_sessions_per_user, lifted.max_connections_per_address) == (1_000_000, None)
    given = config_from({"LIMITS": "off", "MAX_SESSIONS_PER_USER": "1", "LIMIT_CONNECTIONS": "5"}).limits
    assert (given.max_sessions_per_user, given.max_connections_per_address) == (1, 5)
    usual = config_from({}).limits
    assert (usual.max_sessions_per_user, usual.max_connections_per_address) == (10, 100)
