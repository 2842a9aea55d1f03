"""Settings of a live server in tests that register many people and are not about the cost of hashing."""

from reaktor.settings.local import *  # noqa: F403

PASSWORD_HASHERS = ["tests.support.hashers.QuickArgon2Hasher"]
