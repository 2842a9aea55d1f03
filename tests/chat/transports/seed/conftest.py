"""Fixtures of the seed contract tests."""

from tests.support.rest import _fresh_limits  # noqa: F401
