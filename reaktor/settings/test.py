"""The test suite: quick hashing, a database of its own (TEST_DATABASE_URL, else SQLite), the in-memory layer."""

import os
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="reaktor-test-"))
os.environ.setdefault("REGISTRATION", "open")
os.environ.setdefault("EMAIL_URL", "memorymail://")

from reaktor.config.secrets import made_secret
from reaktor.process.layer import MEMORY_LAYER
from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import DATA_DIR, SIMPLE_JWT, database, sqlite

SECRET_KEY = made_secret(DATA_DIR, "secret_key")
JWT_SECRET = made_secret(DATA_DIR, "jwt_secret")
VAPID_KEY = made_secret(DATA_DIR, "vapid_key")
SIMPLE_JWT = {**SIMPLE_JWT, "SIGNING_KEY": JWT_SECRET}

_url = os.environ.get("TEST_DATABASE_URL", "")
DATABASES = {"default": database(_url) if _url else sqlite(DATA_DIR / "tests.sqlite3")}
if not _url:
    # A file, not :memory:, since services run in threads with connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATA_DIR}/tests.sqlite3"}
# No test cuts the power; thousands of commits need not wait for the disk.
if _url:
    DATABASES["default"]["OPTIONS"]["options"] = "-c synchronous_commit=off"
else:
    DATABASES["default"]["OPTIONS"]["init_command"] += "; PRAGMA synchronous=OFF"
CHANNEL_LAYERS = {"default": MEMORY_LAYER}
PASSWORD_HASHERS = [
    "tests.support.hashers.QuickArgon2Hasher",
    "accounts.hashers.ImportedBcryptHasher",
]
