"""Development, and `make run` on one's own machine: secrets and SQLite in var/, pages that explain errors off."""

import os

# Anybody who reaches the server can register, and nothing is encrypted: that is for the machine itself.
os.environ.setdefault("BIND", "127.0.0.1")
os.environ.setdefault("REGISTRATION", "open")
# Mails are shown, not sent.
os.environ.setdefault("EMAIL_URL", "consolemail://")

from reaktor.config.secrets import derived_secret, made_secret
from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import DATA_DIR, REAKTOR, SIMPLE_JWT

DEBUG = REAKTOR.debug
SECRET_KEY = REAKTOR.secret_key or made_secret(DATA_DIR, "secret_key")
JWT_SECRET = REAKTOR.jwt_secret or made_secret(DATA_DIR, "jwt_secret")
VAPID_KEY = REAKTOR.vapid_key or (
    derived_secret(REAKTOR.secret_key, "vapid_key") if REAKTOR.secret_key else made_secret(DATA_DIR, "vapid_key")
)
SIMPLE_JWT = {**SIMPLE_JWT, "SIGNING_KEY": JWT_SECRET}
