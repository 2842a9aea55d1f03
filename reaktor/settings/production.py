"""Production. Nothing is refused here: an image build collects static files without secrets.

chat/checks.py refuses to serve, in words, what is missing or unsafe (manage.py check, migrate, prepare, runcluster;
reaktor.asgi in every process that serves).
"""

import os

# A password alone, however good, opens what staff may do to nobody. STAFF_TOTP=optional says otherwise.
# The API asks for no code; docs/moderation.md says what a staff password opens there.
os.environ.setdefault("STAFF_TOTP", "required")

from reaktor.config.secrets import STORED, derived_secret, stand_in_secret, stored_secret
from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import BASE_DIR, DATA_DIR, REAKTOR, SIMPLE_JWT, STORAGES

PRODUCTION = True
DEBUG = REAKTOR.debug
_known = {
    name: given or stored_secret(DATA_DIR, STORED[name])
    for name, given in (
        ("SECRET_KEY", REAKTOR.secret_key),
        ("JWT_SECRET", REAKTOR.jwt_secret),
        ("VAPID_KEY", REAKTOR.vapid_key or (REAKTOR.secret_key and derived_secret(REAKTOR.secret_key, "vapid_key"))),
    )
}
MISSING_SECRETS = tuple(name for name, value in _known.items() if not value)
SECRET_KEY = _known["SECRET_KEY"] or stand_in_secret()
JWT_SECRET = _known["JWT_SECRET"] or stand_in_secret()
VAPID_KEY = _known["VAPID_KEY"]
SIMPLE_JWT = {**SIMPLE_JWT, "SIGNING_KEY": JWT_SECRET}

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = REAKTOR.web.is_https
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = REAKTOR.web.hsts_s if REAKTOR.web.is_https else 0
SECURE_SSL_REDIRECT = REAKTOR.web.is_https and REAKTOR.web.redirect_to_https
# Whoever collects figures does so behind the proxy.
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]
SILENCED_SYSTEM_CHECKS = [
    # What the other hosts of the domain do is not this server's to say.
    "security.W005",
    "security.W021",
    # On this machine alone (PUBLIC_URL=http://localhost) there is no HTTPS; chat/checks.py refuses HTTP elsewhere.
    *([] if REAKTOR.web.is_https else ["security.W004", "security.W008", "security.W012", "security.W016"]),
]

STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "reaktor.web.staticfiles.ModuleManifestStorage"}}
WHITENOISE_USE_FINDERS = False
