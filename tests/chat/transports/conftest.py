"""Fixtures of what is asked over a transport: what a test sets as limits ends with it."""

from tests.support.rest import _fresh_limits  # noqa: F401
