"""The test suite: quick hashing, a database of its own (TEST_DATABASE_URL, else SQLite), the in-memory layer."""

import os
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="reaktor-test-"))

from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import MEMORY_LAYER, database, env

_url = env.str("TEST_DATABASE_URL", default="")
DATABASES = {"default": database(_url or f"sqlite:///{os.environ['DATA_DIR']}/tests.sqlite3")}
if not _url:
    # A file, not :memory:, since services run in threads with connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": f"{os.environ['DATA_DIR']}/tests.sqlite3"}
CHANNEL_LAYERS = {"default": MEMORY_LAYER}
PASSWORD_HASHERS = [
    "tests.support.hashers.QuickArgon2Hasher",
    "accounts.hashers.ImportedBcryptHasher",
]
