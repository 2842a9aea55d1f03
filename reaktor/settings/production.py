"""Production: cookies are for HTTPS, and nothing starts without its secrets: what is missing is named all at once.

chat/checks.py says what is given and still unsafe.
"""

import os

from django.core.exceptions import ImproperlyConfigured

# A password alone, however good, is not enough for who can ban everybody. STAFF_TOTP=optional says otherwise.
os.environ.setdefault("STAFF_TOTP", "required")

from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import BASE_DIR, env

missing = [name for name in ("SECRET_KEY", "JWT_SECRET", "ALLOWED_HOSTS") if not env.str(name, default="").strip()]
if missing:
    # Not a system check: Django does not get as far as its checks without a SECRET_KEY, and Daphne runs none.
    raise ImproperlyConfigured(f"Production needs these environment variables: {', '.join(missing)}.")

PRODUCTION = True
SECRET_KEY = env.str("SECRET_KEY")
JWT_SECRET = env.str("JWT_SECRET")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "reaktor.staticfiles.ModuleManifestStorage"},
}
WHITENOISE_USE_FINDERS = False
