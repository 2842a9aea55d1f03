"""Fixtures of the REST tests."""

from tests.support.rest import _fresh_limits  # noqa: F401
