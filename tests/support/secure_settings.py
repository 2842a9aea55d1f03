"""Production's settings of a live server in tests: static files from where they lie, and quick hashes."""

from reaktor.settings.base import STORAGES as _NOT_COLLECTED
from reaktor.settings.production import *  # noqa: F403

STORAGES = _NOT_COLLECTED
WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["tests.support.hashers.QuickArgon2Hasher"]
