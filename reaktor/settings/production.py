"""Production: secrets must be given, cookies are for HTTPS. Checks (chat/checks.py) say what is missing, all at once."""

from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import BASE_DIR, env

PRODUCTION = True
SECRET_KEY = env.str("SECRET_KEY", default="")
JWT_SECRET = env.str("JWT_SECRET", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
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
